import { serve } from "../src/actor.ts";
import { RawSse } from "../src/raw-sse.ts";

export interface DifficultReport {
  /** Lowest sequence of all readers. */
  lowestSequence: number;
  /** Sequences that didn't follow the one before: there must be none. */
  faults: number;
  /** Connections that the edge has ended, and that were begun anew where they were. */
  resumed: number;
}

/** Readers of one stream who don't read, or only now and then, and come again with their position when they are sent away. */
export interface DifficultReaders {
  /** @param options `isFrozen`: until `thaw` they take nothing, not even the headers; else resolves when all have these */
  open(options: { edgeUrl: string; streamId: string; count: number; isFrozen: boolean }): Promise<void>;
  thaw(options: null): void;
  /** Makes them take something for a moment, once in so many ms, from now on. */
  trickle(options: { everyMs: number }): void;
  report(options: null): DifficultReport;
}

const CONNECTS_AT_ONCE = 50;
const MOMENT_MS = 5;
const RESUME_AFTER_MS = 50;

class DifficultReader {
  resumed = 0;
  #earlierFaults = 0;
  #connection: RawSse;
  #isFrozen: boolean;
  readonly #target: { edgeUrl: string; streamId: string };

  constructor(target: { edgeUrl: string; streamId: string }, isFrozen: boolean) {
    this.#target = target;
    this.#isFrozen = isFrozen;
    this.#connection = this.#connect(0);
  }

  get lastSequence(): number {
    return this.#connection.lastSequence;
  }

  get faults(): number {
    return this.#earlierFaults + this.#connection.faults;
  }

  opened(): Promise<void> {
    return this.#connection.opened();
  }

  freeze(): void {
    this.#isFrozen = true;
    this.#connection.freeze();
  }

  thaw(): void {
    this.#isFrozen = false;
    this.#connection.thaw();
  }

  #connect(after: number): RawSse {
    const connection = new RawSse(
      { ...this.#target, query: "wait=30", after },
      () => undefined,
      () => setTimeout(() => this.#resume(), RESUME_AFTER_MS),
    );
    // Refused ones come again as well.
    connection.opened().catch(() => undefined);
    if (this.#isFrozen) connection.freeze();
    return connection;
  }

  #resume(): void {
    this.resumed += 1;
    this.#earlierFaults += this.#connection.faults;
    this.#connection = this.#connect(this.#connection.lastSequence);
  }
}

const readers: DifficultReader[] = [];
let trickling: NodeJS.Timeout | undefined;

async function open(options: Parameters<DifficultReaders["open"]>[0]): Promise<void> {
  const { edgeUrl, streamId, count, isFrozen } = options;
  while (readers.length < count) {
    const some = Array.from(
      { length: Math.min(CONNECTS_AT_ONCE, count - readers.length) },
      () => new DifficultReader({ edgeUrl, streamId }, isFrozen),
    );
    readers.push(...some);
    if (!isFrozen) await Promise.all(some.map((reader) => reader.opened()));
  }
}

function thaw(): void {
  clearInterval(trickling);
  for (const reader of readers) reader.thaw();
}

function trickle(everyMs: number): void {
  trickling = setInterval(() => {
    for (const reader of readers) reader.thaw();
    setTimeout(() => {
      for (const reader of readers) reader.freeze();
    }, MOMENT_MS);
  }, everyMs);
}

serve({
  open,
  thaw,
  trickle: ({ everyMs }) => trickle(everyMs),
  report: () => ({
    lowestSequence: Math.min(...readers.map(({ lastSequence }) => lastSequence)),
    faults: readers.reduce((sum, reader) => sum + reader.faults, 0),
    resumed: readers.reduce((sum, reader) => sum + reader.resumed, 0),
  }),
} satisfies DifficultReaders);

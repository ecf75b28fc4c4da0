import type { Socket } from "node:net";
import { serve } from "../src/actor.ts";
import { monotonicMs } from "../src/clock.ts";
import { Latencies, type LatencyCounts } from "../src/latencies.ts";
import { requestEvents } from "../src/raw-sse.ts";

export interface ResumeReport {
  /** Time from the call of connect to the arrival of the first replayed chunk, and of the last. */
  first: LatencyCounts;
  whole: LatencyCounts;
  /** Time from the first connect to the last chunk. */
  seconds: number;
  bytes: number;
  /** Replays in which a chunk was missing, doubled or out of order, and connections that failed: there must be none. */
  faults: number;
}

export interface Resumption {
  streamId: string;
  after: number;
}

export interface ResumingReaders {
  /** Each connects, reads `count` chunks after its position, and is gone. So many at once; each that is done is followed by the next. */
  run(options: {
    edgeUrl: string;
    resumptions: readonly Resumption[];
    count: number;
    atOnce: number;
    timeoutMs: number;
  }): Promise<ResumeReport>;
}

const ID = Buffer.from("\nid: ");
const FRAME_END = Buffer.from("\n\n");
/** Size of a chunk on the wire, with all that is around it: more than enough for what is usually asked. */
const BYTES_PER_CHUNK = 600;

/** One replay. While time counts, what comes is kept and searched for its first and last frame; it is looked through afterwards. */
class Replay {
  firstMs = Number.NaN;
  wholeMs = Number.NaN;
  readonly done: Promise<void>;
  readonly #startedMs = monotonicMs();
  readonly #first: number;
  readonly #last: number;
  readonly #lastId: Buffer;
  readonly #socket: Socket;
  #received: Buffer;
  #length = 0;
  /** Up to here the last frame doesn't begin. */
  #searched = 0;

  constructor(edgeUrl: string, { streamId, after }: Resumption, count: number) {
    this.#first = after + 1;
    this.#last = after + count;
    this.#lastId = Buffer.from(`\nid: ${this.#last}\n`);
    this.#received = Buffer.allocUnsafe(count * BYTES_PER_CHUNK);
    const done = Promise.withResolvers<void>();
    this.done = done.promise;
    this.#socket = requestEvents({ edgeUrl, streamId, after }, (bytes) => this.#take(bytes));
    this.#socket.on("error", () => done.resolve());
    this.#socket.on("close", () => done.resolve());
  }

  get bytes(): number {
    return this.#length;
  }

  cut(): void {
    this.#socket.destroy();
  }

  isFaultless(): boolean {
    const text = this.#received.toString("latin1", 0, this.#length);
    const ids = [...text.matchAll(/^id: (\d+)\nevent: text\n/gm)].map(([, id]) => Number(id));
    const wanted = this.#last - this.#first + 1;
    return ids.length >= wanted && ids.every((id, index) => id === this.#first + index);
  }

  #take(bytes: Buffer): void {
    const nowMs = monotonicMs();
    this.#keep(bytes);
    const received = this.#received.subarray(0, this.#length);
    if (Number.isNaN(this.firstMs) && received.includes(ID)) this.firstMs = nowMs - this.#startedMs;
    const last = received.indexOf(this.#lastId, this.#searched);
    // Both may come in two pieces.
    this.#searched = last < 0 ? Math.max(0, this.#length - this.#lastId.byteLength) : last;
    if (last < 0 || received.indexOf(FRAME_END, last) < 0) return;
    this.wholeMs = nowMs - this.#startedMs;
    this.cut();
  }

  #keep(bytes: Buffer): void {
    const end = this.#length + bytes.byteLength;
    if (end > this.#received.byteLength) this.#received = Buffer.concat([this.#received], end * 2);
    bytes.copy(this.#received, this.#length);
    this.#length = end;
  }
}

async function run(options: Parameters<ResumingReaders["run"]>[0]): Promise<ResumeReport> {
  const { edgeUrl, resumptions, count, atOnce, timeoutMs } = options;
  const replays: Replay[] = [];
  const startedMs = monotonicMs();
  const timer = setTimeout(() => {
    for (const replay of replays) replay.cut();
  }, timeoutMs);
  let next = 0;
  const work = async (): Promise<void> => {
    for (;;) {
      const resumption = resumptions[next++];
      if (resumption === undefined) return;
      const replay = new Replay(edgeUrl, resumption, count);
      replays.push(replay);
      await replay.done;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const seconds = (monotonicMs() - startedMs) / 1000;
  clearTimeout(timer);

  const first = new Latencies();
  const whole = new Latencies();
  for (const replay of replays) {
    if (!Number.isNaN(replay.firstMs)) first.add(replay.firstMs);
    if (!Number.isNaN(replay.wholeMs)) whole.add(replay.wholeMs);
  }
  return {
    first: first.counts,
    whole: whole.counts,
    seconds,
    bytes: replays.reduce((sum, { bytes }) => sum + bytes, 0),
    faults: replays.filter((replay) => !replay.isFaultless()).length,
  };
}

serve({ run } satisfies ResumingReaders);

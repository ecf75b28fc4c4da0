import type { Client, Gap, SluiceError, Stream, StreamEnd, StreamOptions, StreamState } from "@sluice/client";
import { FrameThrottle } from "./frame-throttle.ts";

/** What a component sees of a stream, apart from what it carries. */
export interface StreamStatus {
  state: StreamState;
  /** Why it failed; while it waits, why the last attempt did. */
  error: SluiceError | null;
  /** How it ended; null before that. */
  end: StreamEnd | null;
  /** What can't be had of it. */
  gaps: readonly Gap[];
  /** Asks the producer to stop. */
  cancel: () => Promise<unknown>;
}

/** What is kept of a stream's chunks. */
export interface Content<Value> {
  readonly value: Value;
  /** @returns where to begin, if not where the options say */
  follow(stream: Stream, changed: () => void): void;
  resumeFrom(cursor: number | null): Pick<StreamOptions, "from">;
}

/**
 * One stream for `useSyncExternalStore`: open while somebody is subscribed, a new snapshot a frame at most. Subscribed,
 * left and subscribed again in one go (StrictMode does so), it connects once: a stream connects in the next microtask.
 */
export class StreamStore<Value> {
  readonly #client: Client;
  readonly #id: string;
  readonly #options: StreamOptions;
  readonly #content: Content<Value>;
  readonly #throttle = new FrameThrottle(() => this.#flush());
  readonly #listeners = new Set<() => void>();
  #gaps: readonly Gap[] = [];
  #stream: Stream | null = null;
  #snapshot: StreamStatus & { value: Value };

  constructor(client: Client, id: string, options: StreamOptions, content: Content<Value>) {
    this.#client = client;
    this.#id = id;
    this.#options = options;
    this.#content = content;
    const cancel = (): Promise<unknown> => client.cancel(id);
    this.#snapshot = { ...IDLE, cancel, value: content.value };
  }

  readonly getSnapshot = (): StreamStatus & { value: Value } => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    if (this.#listeners.size === 0) this.#open();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#close();
    };
  };

  #open(): void {
    const { state } = this.#snapshot;
    if (state === "ended" || state === "failed") return;
    const cursor = this.#stream?.cursor ?? null;
    const stream = this.#client.stream(this.#id, { ...this.#options, ...this.#content.resumeFrom(cursor) });
    this.#stream = stream;
    const changed = (): void => this.#throttle.ask();
    this.#content.follow(stream, changed);
    stream.on("gap", (gap) => {
      this.#gaps = [...this.#gaps, gap];
      changed();
    });
    stream.on("state", changed);
  }

  #close(): void {
    this.#throttle.flush();
    this.#stream?.close();
  }

  #flush(): void {
    const stream = this.#stream;
    if (stream === null) return;
    const { state, error, end } = stream;
    const { cancel } = this.#snapshot;
    this.#snapshot = { state, error, end, gaps: this.#gaps, cancel, value: this.#content.value };
    for (const listener of this.#listeners) listener();
  }
}

/** Where there is no stream. */
export const IDLE: StreamStatus = {
  state: "idle",
  error: null,
  end: null,
  gaps: [],
  cancel: async () => undefined,
};

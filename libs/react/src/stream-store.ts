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

/** What is kept of a stream, over as many openings of it as there are. */
export interface Content<Value> {
  readonly value: Value;
  /** @param cursor up to where there is content already, which this stream goes on from */
  follow(stream: Stream, cursor: number | null, changed: () => void): void;
  /**
   * Takes off what came after `head`, and what it can't be cut out of.
   * @returns up to where there is content then: after that it must be read again. Null: from the start
   */
  cutAfter(head: number): number | null;
}

/**
 * One stream for `useSyncExternalStore`: open while somebody is subscribed, a new snapshot a frame at most. Subscribed,
 * left and subscribed again in one go (StrictMode does so), it connects once: a stream connects in the next microtask. One
 * that comes back later (`<Activity>`) goes on at the cursor.
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
  /** Where the streams that were closed had come; null before one knew. */
  #cursor: number | null = null;
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
    const { tail: _tail, resumeToken: _token, ...others } = this.#options;
    const options = this.#cursor === null ? this.#options : { ...others, from: this.#cursor + 1 };
    const stream = this.#client.stream(this.#id, options);
    this.#stream = stream;
    const changed = (): void => {
      if (this.#stream === stream) this.#throttle.ask();
    };
    this.#content.follow(stream, this.#cursor, changed);
    stream.on("gap", (gap) => {
      this.#gaps = [...this.#gaps, gap];
      changed();
      if (gap.reset === true) this.#cutAfter(gap.head);
    });
    stream.on("state", changed);
  }

  #cutAfter(head: number): void {
    const cursor = this.#content.cutAfter(head);
    if (cursor === head) return;
    this.#close();
    this.#cursor = cursor;
    this.#open();
  }

  #close(): void {
    const stream = this.#stream;
    // Later it can't be told any more how it stood.
    this.#throttle.flush();
    this.#cursor = stream?.cursor ?? this.#cursor;
    this.#stream = null;
    stream?.close();
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

import type { Client, Gap, SluiceError, Stream, StreamEnd, StreamOptions, StreamState } from "@sluice/client";
import { FrameThrottle } from "./frame-throttle.ts";

/** State of a stream that both hooks return, apart from its contents. */
export interface StreamStatus {
  /** Phase of the reading; `idle` while the id is null. */
  state: StreamState;
  /** Why the stream failed or, while it is `waiting`, why the last attempt did. Null otherwise. */
  error: SluiceError | null;
  /** How the stream ended; null before that. */
  end: StreamEnd | null;
  /** Gaps so far: sequences that can't be read any more. */
  gaps: readonly Gap[];
  /** Asks the producer to stop; does nothing while the id is null. Rejects with a SluiceError if the request is refused. */
  cancel: () => Promise<unknown>;
}

/** Contents of a stream, kept while it is closed and opened again. */
export interface Content<Value> {
  readonly value: Value;
  /** Adds what a stream brings. @param cursor position after the content that is there already; null: there is none */
  follow(stream: Stream, cursor: number | null, changed: () => void): void;
  /**
   * Removes what came after `head`, and joined chunks that reach beyond it.
   * @returns position up to which there is content then, and from which reading must go on; null: from the beginning
   */
  cutAfter(head: number): number | null;
}

/**
 * One stream as a store for `useSyncExternalStore`. It is open while somebody is subscribed, and makes a new snapshot once a
 * frame at most. Subscribed, left and subscribed again in one go, as StrictMode does, it connects once, since a stream
 * connects in the next microtask. Subscribed again later (`<Activity>`), it goes on at its cursor.
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
  /** Position of the stream that was closed last; null: none knew one. */
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
    // The last state before the stream is closed.
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

/** State while there is no stream. */
export const IDLE: StreamStatus = {
  state: "idle",
  error: null,
  end: null,
  gaps: [],
  cancel: async () => undefined,
};

import type { EndStatus } from "@sluice/core";
import type { Gap, StreamChunk, StreamEnd } from "./chunks.ts";
import type { ConnectionState } from "./connection.ts";
import { Emitter } from "./emitter.ts";
import { startCursor, type Follower, type Leave, type RequestOptions } from "./follower.ts";
import type { Memory, Remembered } from "./memory.ts";
import { SluiceError } from "./sluice-error.ts";
import { StreamReader } from "./stream-reader.ts";
import { TextSoFar } from "./text-so-far.ts";

export interface StreamOptions extends RequestOptions {
  /** Closes the stream. */
  signal?: AbortSignal;
}

/**
 *   idle ──first use──▶ connecting ──▶ open ◀──▶ waiting (for the next attempt) ──▶ connecting …
 *     └── from any: ──▶ ended (there is no more) | failed (`error` says why) | closed (by the application)
 */
export type StreamState = "idle" | "connecting" | "open" | "waiting" | "ended" | "failed" | "closed";

export interface StreamEvents extends Record<string, unknown> {
  chunk: StreamChunk;
  gap: Gap;
  /** All of the text so far, each time it has changed. To be listened to from the start. */
  text: string;
  state: StreamState;
  end: StreamEnd;
  error: SluiceError;
  /** The producer lives, and has nothing to say. */
  heartbeat: StreamChunk;
}

/** What a client does for its streams. */
export interface StreamHost {
  readonly memory: Memory | null;
  readonly follow: (follower: Follower) => Leave;
  cancel(streamId: string): Promise<"open" | EndStatus>;
}

// An application that is slower than its stream holds so much of it; what comes after stays with the server.
const MAX_QUEUED_CHUNKS = 1_000;

/**
 * One stream, read once: each sequence in order, or a gap. It connects at the first use, in the next microtask, so that
 * listeners added together miss nothing; used and closed in one go, it never connects.
 */
export class Stream implements AsyncIterable<StreamChunk> {
  readonly id: string;
  readonly #options: StreamOptions;
  readonly #host: StreamHost;
  readonly #events = new Emitter<StreamEvents>();
  #state: StreamState = "idle";
  #error: SluiceError | null = null;
  #end: StreamEnd | null = null;
  #isStarted = false;
  #reader: StreamReader | null = null;
  #leave: Leave = () => {};
  #text: TextSoFar | null = null;
  #hasGaps = false;
  /** Up to here an earlier page had read. */
  #recalled = 0;
  /** Loops that have more than they can take, and what to call when that has changed. */
  readonly #full = new Set<object>();
  #tellOfRoom = (): void => {};

  constructor(id: string, options: StreamOptions, host: StreamHost) {
    this.id = id;
    this.#options = options;
    this.#host = host;
    const { signal } = options;
    if (signal?.aborted === true) this.#state = "closed";
    else signal?.addEventListener("abort", this.close);
  }

  get state(): StreamState {
    return this.#state;
  }

  /** Why it failed; while it waits, why the last attempt did. */
  get error(): SluiceError | null {
    return this.#error;
  }

  /** How it ended; null before that. */
  get end(): StreamEnd | null {
    return this.#end;
  }

  /** The last sequence that was delivered; null where nothing is known yet. `from: cursor + 1` goes on after it. */
  get cursor(): number | null {
    return this.#reader?.cursor ?? null;
  }

  /** What `text()` will give, as far as it came. Empty where nobody has asked for text. */
  get textSoFar(): string {
    return this.#text?.value ?? "";
  }

  /** @returns takes the listener off; the stream goes on until it is closed */
  on<Type extends keyof StreamEvents & string>(
    type: Type,
    listener: (value: StreamEvents[Type]) => void,
  ): () => void {
    if (type === "text") this.#collectText();
    this.#start();
    return this.#events.on(type, listener);
  }

  /**
   * The whole text, once the stream has completed.
   * @throws SluiceError it is not whole: the Error chunk's code, STREAM_DELETED, INCOMPLETE (a gap), CLOSED, or why the
   * stream can't be read. `textSoFar` has what came.
   */
  async text(): Promise<string> {
    const text = this.#collectText();
    this.#start();
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        if (isOver(this.#state)) resolve();
      };
      this.#events.on("state", settle);
      settle();
    });
    const problem = this.#textProblem();
    if (problem !== null) throw problem;
    return text.value;
  }

  /**
   * Chunks from the moment of the call on, until the end. Leaving the loop early closes the stream.
   * @throws SluiceError what the stream failed with
   */
  [Symbol.asyncIterator](): AsyncGenerator<StreamChunk, void, undefined> {
    let queue: StreamChunk[] = [];
    let wake = (): void => {};
    const key = {};
    const stops = [
      this.on("chunk", (chunk) => {
        if (queue.push(chunk) >= MAX_QUEUED_CHUNKS) this.#full.add(key);
        wake();
      }),
      this.on("state", () => wake()),
    ];
    const take = async function* (this: Stream): AsyncGenerator<StreamChunk, void, undefined> {
      try {
        for (;;) {
          const batch = queue;
          queue = [];
          this.#hasRoom(key);
          yield* batch;
          if (queue.length > 0) continue;
          if (isOver(this.#state)) break;
          await new Promise<void>((resolve) => (wake = resolve));
        }
        if (this.#state === "failed" && this.#error !== null) throw this.#error;
      } finally {
        for (const stop of stops) stop();
        this.#hasRoom(key);
        this.close();
      }
    };
    return take.call(this);
  }

  /** Asks the producer to stop. The stream then ends as any other does. @throws SluiceError */
  cancel(): Promise<"open" | EndStatus> {
    return this.#host.cancel(this.id);
  }

  /** Stops reading; the stream itself goes on. Idempotent. */
  readonly close = (): void => this.#finish("closed");

  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    queueMicrotask(() => {
      if (isOver(this.#state)) return;
      const remembered = this.#recall();
      const reader = new StreamReader(this.id, remembered?.cursor ?? startCursor(this.#options), {
        chunk: (chunk) => this.#takeChunk(chunk),
        gap: (gap) => this.#takeGap(gap),
        heartbeat: (chunk) => this.#events.emit("heartbeat", chunk),
        end: (status, chunk) => this.#finishEnded({ status, chunk }),
      });
      this.#reader = reader;
      if (remembered?.end !== undefined) {
        reader.hasEnded = true;
        this.#finishEnded({ status: remembered.end, chunk: null });
        return;
      }
      const follower: Follower = {
        id: this.id,
        options: this.#options,
        reader,
        changed: (state, error) => this.#change(state, error),
        over: (error, status) => {
          if (error === null) reader.takeEnd(null, status);
          else this.#fail(error);
        },
        carryOn: (follow) => {
          if (!isOver(this.#state)) this.#leave = follow(follower);
        },
        room: () => this.#room(),
      };
      follower.carryOn(this.#host.follow);
    });
  }

  /** Where an earlier page was. Of no use to who wants the text and has no text up to there. */
  #recall(): Remembered | null {
    const remembered = this.#host.memory?.recall(this.id) ?? null;
    if (remembered === null || (this.#text !== null && remembered.text === undefined)) return null;
    this.#hasGaps = remembered.hasGaps;
    this.#recalled = remembered.cursor;
    if (this.#text !== null && remembered.text !== undefined) {
      this.#text.add(remembered.cursor, remembered.text);
      this.#events.emit("text", remembered.text);
    }
    return remembered;
  }

  #collectText(): TextSoFar {
    if (this.#text === null && this.#reader !== null) throw new Error("ask for text before it is read");
    return (this.#text ??= new TextSoFar());
  }

  #textProblem(): SluiceError | null {
    if (this.#state === "failed") return this.#error;
    if (this.#state === "closed") return new SluiceError("CLOSED", "closed before its end");
    const { status, chunk } = this.#end ?? { status: null, chunk: null };
    if (chunk?.chunk_type.type === "Error")
      return new SluiceError(chunk.chunk_type.code, chunk.chunk_type.error);
    if (status !== null && status !== "completed")
      return new SluiceError(`STREAM_${status.toUpperCase()}`, `the stream was ${status}`);
    if (this.#hasGaps) return new SluiceError("INCOMPLETE", "part of it can't be had");
    return null;
  }

  #takeChunk(chunk: StreamChunk): void {
    this.#events.emit("chunk", chunk);
    const type = chunk.chunk_type;
    if (this.#text !== null && type.type === "Text" && type.content !== "") {
      this.#text.add(chunk.sequence, type.content);
      this.#events.emit("text", this.#text.value);
    }
    this.#remember();
  }

  #takeGap(gap: Gap): void {
    if (gap.reset === true && this.#text !== null) {
      this.#text.cutAfter(gap.head);
      this.#events.emit("text", this.#text.value);
    }
    // The text of an earlier page can't be cut, it goes as a whole.
    this.#hasGaps ||= gap.reset !== true || gap.head < this.#recalled;
    this.#events.emit("gap", gap);
    this.#remember();
  }

  #remember(): void {
    this.#host.memory?.note(this.id, () => ({
      cursor: this.cursor ?? 0,
      text: this.#text?.value,
      hasGaps: this.#hasGaps,
      end: this.#end?.status,
    }));
  }

  #change(state: ConnectionState, error: SluiceError | null): void {
    if (state !== "connecting") this.#error = error;
    if (this.#state !== state) this.#enter(state);
  }

  #enter(state: StreamState): void {
    this.#state = state;
    this.#events.emit("state", state);
  }

  #fail(error: SluiceError): void {
    this.#error = error;
    // Otherwise a later page may go on.
    if (!error.isRetryable) this.#host.memory?.forget(this.id);
    this.#finish("failed");
    this.#events.emit("error", error);
  }

  #finishEnded(end: StreamEnd): void {
    if (isOver(this.#state)) return;
    this.#end = end;
    this.#error = null;
    if (end.status === "deleted") this.#host.memory?.forget(this.id);
    else this.#remember();
    this.#finish("ended");
    this.#events.emit("end", end);
  }

  #finish(state: "ended" | "failed" | "closed"): void {
    if (isOver(this.#state)) return;
    this.#options.signal?.removeEventListener("abort", this.close);
    this.#leave();
    this.#full.clear();
    this.#tellOfRoom();
    this.#host.memory?.flush();
    this.#enter(state);
  }

  #room(): Promise<void> | null {
    if (this.#full.size === 0) return null;
    return new Promise((resolve) => (this.#tellOfRoom = resolve));
  }

  #hasRoom(key: object): void {
    if (this.#full.delete(key) && this.#full.size === 0) this.#tellOfRoom();
  }
}

const isOver = (state: StreamState): boolean => ["ended", "failed", "closed"].includes(state);

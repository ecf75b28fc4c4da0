import type { EndStatus } from "@sluice/core";
import { iterateChunks } from "./chunk-loop.ts";
import type { Gap, StreamChunk, StreamEnd } from "./chunks.ts";
import { CollectedText } from "./collected-text.ts";
import { Emitter } from "./emitter.ts";
import { startCursor, type Follower, type Leave } from "./follower.ts";
import type { Memory } from "./memory.ts";
import { SluiceError } from "./sluice-error.ts";
import type { StreamEvents } from "./stream-events.ts";
import type { StreamOptions } from "./stream-options.ts";
import { StreamReader } from "./stream-reader.ts";
import { isOver, type StreamState } from "./stream-state.ts";

/** Services that a client provides to its streams. */
export interface StreamHost {
  readonly memory: Memory | null;
  readonly follow: (follower: Follower) => Leave;
  cancel(streamId: string): Promise<"open" | EndStatus>;
}

/**
 * One stream, read once: each sequence in order, or a gap.
 *
 * It connects at the first use (`on`, `text` or a loop), in the next microtask, so that listeners added together miss
 * nothing. Used and closed in one go, it never connects. It reconnects by itself until it has ended, failed or is closed.
 *
 * @example
 * ```ts
 * import type { Stream } from "@sluice/client";
 *
 * export async function show(stream: Stream, output: { textContent: string | null }): Promise<void> {
 *   stream.on("state", (state) => console.log(state));
 *   stream.on("text", (text) => (output.textContent = text));
 *   await stream.text();
 * }
 * ```
 */
export class Stream implements AsyncIterable<StreamChunk> {
  /** The id that was given to `client.stream`. */
  readonly id: string;
  readonly #options: StreamOptions;
  readonly #host: StreamHost;
  readonly #events = new Emitter<StreamEvents>();
  #state: StreamState = "idle";
  #error: SluiceError | null = null;
  #end: StreamEnd | null = null;
  #connectionId: string | null = null;
  #isStarted = false;
  #reader: StreamReader | null = null;
  #leave: Leave = () => {};
  #text: CollectedText | null = null;
  /** Loops that have more than they can take, and what to call when that has changed. */
  readonly #full = new Set<object>();
  #tellOfRoom = (): void => {};

  /** Internal: `client.stream` creates streams. */
  constructor(id: string, options: StreamOptions, host: StreamHost) {
    this.id = id;
    this.#options = options;
    this.#host = host;
    options.signal?.addEventListener("abort", this.close);
    if (options.signal?.aborted === true) this.close();
  }

  /** The current state. */
  get state(): StreamState {
    return this.#state;
  }

  /** Why the stream failed or, while it is `waiting`, why the last attempt did. Null otherwise. */
  get error(): SluiceError | null {
    return this.#error;
  }

  /** How the stream ended; null before that. */
  get end(): StreamEnd | null {
    return this.#end;
  }

  /** The last sequence that was delivered, 0 before the first; null while it isn't known. `from: cursor + 1` goes on after it. */
  get cursor(): number | null {
    return this.#reader?.cursor ?? null;
  }

  /** The edge's id of the connection that carried the stream last, as it stands in its logs; null before the first. */
  get connectionId(): string | null {
    return this.#connectionId;
  }

  /** The text that has arrived so far. Empty unless `text()` or a `text` listener asked for text. */
  get textSoFar(): string {
    return this.#text?.text ?? "";
  }

  /**
   * Adds a listener, and connects if nothing has yet. The same listener counts once per event.
   * @returns a function that removes the listener; the stream itself goes on until it is closed
   * @throws Error `text` was asked for after the stream had connected without it
   */
  on<Type extends keyof StreamEvents & string>(
    type: Type,
    listener: (value: StreamEvents[Type]) => void,
  ): () => void {
    if (type === "text") this.#collectText();
    this.#start();
    return this.#events.on(type, listener);
  }

  /**
   * Waits for the whole text. Ask for it before the stream connects.
   * @returns the contents of all Text chunks, joined, once the stream has completed
   * @throws SluiceError the text isn't whole: the Error chunk's code, STREAM_DELETED, STREAM_CANCELLED, STREAM_ERRORED,
   * INCOMPLETE (a gap), CLOSED, or the reason why the stream can't be read. `textSoFar` has what came.
   */
  async text(): Promise<string> {
    const text = this.#collectText();
    this.#start();
    if (!isOver(this.#state)) {
      await new Promise<void>((resolve) => {
        this.on("state", (state) => isOver(state) && resolve());
      });
    }
    const problem = this.#textProblem(text);
    if (problem !== null) throw problem;
    return text.text;
  }

  /**
   * Iterates over the chunks from the moment of the call to the end of the stream. Leaving the loop closes the stream. A
   * loop that takes chunks more slowly than they come (1,000 of them wait) holds back the server, not the page's memory.
   * @throws SluiceError the stream failed
   */
  [Symbol.asyncIterator](): AsyncGenerator<StreamChunk, void, undefined> {
    const key = {};
    return iterateChunks(this, (isFull) => {
      if (isFull) this.#full.add(key);
      else if (this.#full.delete(key) && this.#full.size === 0) this.#tellOfRoom();
    });
  }

  /**
   * Asks the producer to stop. The stream goes on until the producer has done so, and then ends as any other does.
   * @returns the stream's status: `open` until its producer has stopped
   * @throws SluiceError the request was refused, or could not be answered
   */
  cancel(): Promise<"open" | EndStatus> {
    return this.#host.cancel(this.id);
  }

  /** Stops reading; the stream itself goes on. Calling it again does nothing. */
  readonly close = (): void => this.#finish("closed");

  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    queueMicrotask(() => {
      if (isOver(this.#state)) return;
      const reader = new StreamReader(this.id, startCursor(this.#options), {
        chunk: (chunk) => this.#takeChunk(chunk),
        gap: (gap) => this.#takeGap(gap),
        heartbeat: (chunk) => this.#events.emit("heartbeat", chunk),
        end: (end) => this.#finishEnded(end),
      });
      this.#reader = reader;
      if (this.#recall(reader)) return;
      const follower: Follower = {
        id: this.id,
        options: this.#options,
        reader,
        changed: (state, error, connectionId) => {
          if (state !== "connecting") this.#error = error;
          this.#connectionId = connectionId ?? this.#connectionId;
          if (this.#state !== state) this.#enter(state);
        },
        over: (error, status) => {
          if (error === null) reader.takeEnd(null, status);
          else this.#fail(error);
        },
        carryOn: (follow) => {
          if (isOver(this.#state)) return;
          this.#leave = follow(follower);
          // A listener may have closed it meanwhile.
          if (isOver(this.#state)) this.#leave();
        },
        room: () => this.#room(),
      };
      follower.carryOn(this.#host.follow);
    });
  }

  /** Storage for the text. Null: an application that reads chunks, or says where to begin, wants what is there. */
  get #memory(): Memory | null {
    const { from, tail, resumeToken } = this.#options;
    return this.#text === null || (from ?? tail ?? resumeToken) !== undefined ? null : this.#host.memory;
  }

  /** Goes on where an earlier page was. @returns whether that page had read all of it */
  #recall(reader: StreamReader): boolean {
    const recalled = this.#memory?.recall(this.id);
    if (!recalled || this.#text === null) return false;
    const { cursor, text, hasGaps, end } = recalled;
    reader.recall(cursor);
    this.#text.hasGaps = hasGaps;
    this.#text.add(cursor, text);
    this.#events.emit("text", text);
    if (end !== undefined) reader.takeEnd(null, end);
    return reader.hasEnded;
  }

  #collectText(): CollectedText {
    if (this.#text === null && this.#reader !== null) throw new Error("Ask for text before connecting");
    return (this.#text ??= new CollectedText());
  }

  #textProblem(text: CollectedText): SluiceError | null {
    if (this.#state === "failed") return this.#error;
    if (this.#state === "closed") return new SluiceError("CLOSED", "The stream was closed");
    const type = this.#end?.chunk?.chunk_type;
    if (type?.type === "Error") return new SluiceError(type.code, type.error);
    const status = this.#end?.status ?? "completed";
    if (status !== "completed")
      return new SluiceError(`STREAM_${status.toUpperCase()}`, `The stream was ${status}`);
    return text.hasGaps ? new SluiceError("INCOMPLETE", "The text has gaps") : null;
  }

  #takeChunk(chunk: StreamChunk): void {
    this.#events.emit("chunk", chunk);
    const type = chunk.chunk_type;
    if (this.#text !== null && type.type === "Text" && type.content !== "") {
      this.#text.add(chunk.sequence, type.content);
      this.#events.emit("text", this.#text.text);
    }
    this.#remember();
  }

  #takeGap(gap: Gap): void {
    if (this.#text?.takeGap(gap) === true) this.#events.emit("text", this.#text.text);
    this.#events.emit("gap", gap);
    this.#remember();
  }

  #remember(): void {
    if (this.#text === null) return;
    this.#text.cursor = this.cursor ?? 0;
    this.#text.end = this.#end?.status;
    this.#memory?.note(this.id, this.#text);
  }

  #enter(state: StreamState): void {
    this.#state = state;
    this.#events.emit("state", state);
  }

  #fail(error: SluiceError): void {
    this.#error = error;
    // Otherwise a later page may go on.
    if (!error.isRetryable) this.#memory?.forget(this.id);
    this.#finish("failed");
    this.#events.emit("error", error);
  }

  #finishEnded(end: StreamEnd): void {
    if (isOver(this.#state)) return;
    this.#end = end;
    this.#error = null;
    if (end.status === "deleted") this.#memory?.forget(this.id);
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
    this.#memory?.flush();
    this.#enter(state);
  }

  #room(): Promise<void> | null {
    if (this.#full.size === 0) return null;
    return new Promise((resolve) => (this.#tellOfRoom = resolve));
  }
}

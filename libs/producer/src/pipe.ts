import { endStatusOf, StreamError, type ChunkDraft, type ChunkType, type StreamStatus } from "@sluice/core";
import { cutTextChunk } from "./text-flow.ts";

/** One piece of a source: a chunk, or a string, which becomes a Text chunk. */
export type PipeItem = string | ChunkType | ChunkDraft;

/** Source of {@link StreamHandle.pipe}: any async iterable (a generator, an SDK's stream) or web `ReadableStream`. */
export type PipeSource = AsyncIterable<PipeItem> | ReadableStream<PipeItem>;

/**
 * Options of {@link StreamHandle.pipe}.
 * @example
 * ```ts
 * import type { PipeOptions } from "@sluice/producer";
 *
 * const options: PipeOptions = {
 *   summary: "answered",
 *   describeError: (error) => ({ error: "The model failed.", code: error instanceof RangeError ? "too_long" : "failed" }),
 * };
 * console.log(options);
 * ```
 */
export interface PipeOptions {
  /**
   * Whether the pipe ends the stream. False: the stream stays open when the source ends, is cancelled or fails, and its worker
   * writes the last chunk.
   * @defaultValue `true`
   */
  end?: boolean;
  /**
   * Summary of the Complete chunk.
   * @defaultValue `null`
   */
  summary?: string | null;
  /**
   * Text and code of the Error chunk that readers get when the source fails. The default says nothing of the error, which may
   * hold what readers must not see.
   * @defaultValue `The source of this stream failed.`
   */
  describeError?: (error: unknown) => ErrorDescription;
}

/** Members of an Error chunk. */
export interface ErrorDescription {
  /** Sentence for people. */
  error: string;
  /** Code for programs; any but those that Sluice uses itself (PROTOCOL.md, 4). */
  code: string;
}

/** Result of {@link StreamHandle.pipe}. */
export interface PipeOutcome {
  /** Status of the stream, as the pipe left it: `open` only with `end: false`. */
  status: StreamStatus;
  /** Number of chunks from the source, text above the limit of a chunk counted as several. All are durable. */
  chunks: number;
}

/** Methods of a stream that a pipe needs. `StreamHandle` has them. */
export interface PipeTarget {
  readonly signal: AbortSignal;
  send(chunk: ChunkType | ChunkDraft): Promise<unknown>;
  ready(): Promise<void>;
}

/** See `StreamHandle.pipe`. */
export async function pipe(
  source: PipeSource,
  target: PipeTarget,
  options: PipeOptions,
): Promise<PipeOutcome> {
  const piping = new Piping(source, target);
  const status = await carry(piping, options).catch((error: unknown) => breakOff(error, piping, options));
  if (piping.unconfirmed !== null) throw piping.unconfirmed;
  return { status, chunks: piping.count };
}

async function carry(piping: Piping, options: PipeOptions): Promise<StreamStatus> {
  const ownEnd = await piping.run();
  if (ownEnd !== null) return ownEnd;
  if (options.end === false) return "open";
  await piping.say({ type: "Complete", summary: options.summary ?? null });
  return "completed";
}

async function breakOff(failure: unknown, piping: Piping, options: PipeOptions): Promise<StreamStatus> {
  const isCancelled = failure instanceof StreamError && failure.code === "CANCELLED";
  if (options.end === false && isCancelled) return "open";
  if (options.end === false) throw failure;
  const { loss } = piping;
  const last = lastWords(failure, loss, options);
  if (last === null) throw failure;
  try {
    await piping.say(last);
  } catch (error) {
    // What was lost is what the worker has to hear of; else that its readers can't be told.
    if (loss !== null || !(error instanceof StreamError)) throw failure;
    throw new StreamError(error.code, error.message, { cause: failure, details: { ...error.details } });
  }
  if (isCancelled) return "cancelled";
  throw failure;
}

/** Description for readers of a pipe that broke off; null: nobody can tell them, the stream is not ours any more. */
function lastWords(error: unknown, loss: StreamError | null, options: PipeOptions): ChunkType | null {
  if (loss !== null) {
    if (!loss.retryable) return null;
    return { type: "Error", error: `the stream is cut here: ${loss.message}`, code: loss.code };
  }
  if (error instanceof StreamError && error.code === "CANCELLED")
    return { type: "Error", error: error.message, code: error.code };
  if (isCarrierLimit(error)) return { type: "Error", error: error.message, code: "CHUNK_TOO_LARGE" };
  const described = options.describeError?.(error) ?? {
    error: "The source of this stream failed.",
    code: "SOURCE_FAILED",
  };
  return { type: "Error", ...described };
}

/** Describes a part that is no fault of the source, but more than a chunk can carry: readers are told which limit it was. */
function isCarrierLimit(error: unknown): error is StreamError {
  if (!(error instanceof StreamError)) return false;
  return (
    error.code === "CHUNK_TOO_LARGE" || (error.code === "INVALID_CHUNK" && /levels deep/.test(error.message))
  );
}

/** One source on its way: at most as many chunks unanswered as the handle's buffer takes in without waiting. */
class Piping {
  count = 0;
  /** Stored all the same, so that the stream goes on: to be told when it has ended. */
  unconfirmed: StreamError | null = null;
  readonly #target: PipeTarget;
  readonly #reading: Reading;
  /** All that was sent has settled. */
  #settled: Promise<void> = Promise.resolve();
  #failure: { error: unknown } | null = null;
  #interrupt: ((reason: unknown) => void) | undefined;

  constructor(source: PipeSource, target: PipeTarget) {
    this.#target = target;
    this.#reading = open(source);
  }

  /** Why a chunk didn't get into the log: the stream is cut there. Null too where the chunk itself was at fault. */
  get loss(): StreamError | null {
    const error = this.#failure?.error;
    if (!(error instanceof StreamError)) return null;
    return error.code === "INVALID_CHUNK" || error.code === "CHUNK_TOO_LARGE" ? null : error;
  }

  /** @returns the status that the source itself left the stream in; null: it has said all, without an end */
  async run(): Promise<StreamStatus | null> {
    const { signal } = this.#target;
    const onAbort = (): void => this.#interrupt?.(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    let isWhole = false;
    try {
      for (;;) {
        await this.#unlessStopped(() => this.#target.ready());
        const { done, value } = await this.#unlessStopped(() => this.#reading.next());
        if (done === true) break;
        const chunk: ChunkType | ChunkDraft =
          typeof value === "string" ? { type: "Text", content: value } : value;
        for (const piece of cutTextChunk(chunk)) this.#send(piece);
        const end = endStatusOf("chunk_type" in chunk ? chunk.chunk_type : chunk);
        if (end === null) continue;
        await this.#settle();
        return end;
      }
      isWhole = true;
      await this.#settle();
      return null;
    } finally {
      signal.removeEventListener("abort", onAbort);
      // Not awaited: an iterator that waits for its server returns only once that has spoken.
      if (!isWhole) this.#reading.hangUp().catch(() => undefined);
    }
  }

  /** Resolves when the chunk is stored, and confirmed or not where that was asked for. */
  async say(chunk: ChunkType | ChunkDraft): Promise<void> {
    try {
      await this.#target.send(chunk);
    } catch (error) {
      if (!(error instanceof StreamError && error.code === "UNCONFIRMED")) {
        this.#failure ??= { error };
        throw error;
      }
      this.unconfirmed ??= error;
    }
  }

  #send(chunk: ChunkType | ChunkDraft): void {
    this.count++;
    const sending = this.say(chunk).catch((error: unknown) => {
      this.count--;
      this.#interrupt?.(error);
    });
    this.#settled = this.#settled.then(() => sending);
  }

  async #settle(): Promise<void> {
    await this.#settled;
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** A race that leaves nothing behind, however many chunks there are. */
  async #unlessStopped<T>(start: () => Promise<T>): Promise<T> {
    if (this.#failure !== null) throw this.#failure.error;
    this.#target.signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      start().then(resolve, reject);
    });
  }
}

interface Reading {
  next(): Promise<IteratorResult<PipeItem, unknown>>;
  /** Frees what the source holds, also while `next` waits. */
  hangUp(): Promise<unknown>;
}

function open(source: PipeSource): Reading {
  if ("getReader" in source) {
    const reader = source.getReader();
    return { next: () => reader.read(), hangUp: () => reader.cancel() };
  }
  const iterator = source[Symbol.asyncIterator]();
  return { next: () => iterator.next(), hangUp: async () => iterator.return?.() };
}

import { endStatusOf, StreamError, type ChunkDraft } from "@sluice/core";
import type { AnswerStream } from "./answer-stream.ts";
import type { Model } from "./model.ts";

// Deltas wait for the log's acknowledgement together, in few messages. Beyond this many the model is held back; without
// the bound a log that stalls would overflow the handle's own buffer (100), and that is an error, not a wait.
const MAX_UNACKNOWLEDGED_CHUNKS = 64;

/** The worker ended the answer itself: the abort signal's reason. */
export class AnswerStopped extends Error {
  override readonly name = "AnswerStopped";
  readonly code = "WORKER_STOPPED";
}

/** How an answer ended; `lost`: not all of it could be written (the stream was ended by others, or the log is away). */
export type AnswerOutcome =
  | { kind: "completed"; textChunks: number }
  | { kind: "failed" | "stopped" | "lost"; textChunks: number; error: unknown };

/**
 * Streams one answer: each chunk as it arrives, the end included; it is an Error chunk where the model fails or the signal
 * is aborted. Closes the stream's handle. Never throws.
 */
export async function streamAnswer(answer: {
  model: Model;
  prompt: string;
  stream: AnswerStream;
  signal: AbortSignal;
  onFirstText: () => void;
}): Promise<AnswerOutcome> {
  const { model, prompt, stream, signal, onFirstText } = answer;
  const sender = new BoundedSender(stream, signal);
  let textChunks = 0;
  let failure: unknown = null;
  const onError = (error: unknown): void => void (failure = error);
  try {
    for await (const chunk of model.answer(prompt, { signal: sender.signal, onError })) {
      if (endStatusOf(chunk.chunk_type) !== null) {
        await sender.sendLast(chunk);
        return outcomeOf(chunk, textChunks, failure);
      }
      if (chunk.chunk_type.type === "Text" && textChunks++ === 0) onFirstText();
      await sender.send(chunk);
    }
    throw new Error(`model ${model.name} ended without an end`);
  } catch (error) {
    if (sender.failure === null) return await endWithError(sender, textChunks, error);
    return await endAfterLoss(stream, textChunks, sender.failure.error);
  } finally {
    await stream.close().catch(() => undefined);
  }
}

function outcomeOf(end: ChunkDraft, textChunks: number, failure: unknown): AnswerOutcome {
  if (end.chunk_type.type === "Complete") return { kind: "completed", textChunks };
  const error = failure ?? new Error(`the model ended with ${JSON.stringify(end.chunk_type)}`);
  return { kind: error instanceof AnswerStopped ? "stopped" : "failed", textChunks, error };
}

/** A model doesn't throw: this is a mistake of ours, and readers learn only that there was one. */
async function endWithError(
  sender: BoundedSender,
  textChunks: number,
  error: unknown,
): Promise<AnswerOutcome> {
  const message = "the worker failed; what happened is in its log";
  try {
    await sender.sendLast({ chunk_type: { type: "Error", error: message, code: "WORKER_FAILED" } });
  } catch (sendError) {
    return { kind: "lost", textChunks, error: sendError };
  }
  return { kind: "failed", textChunks, error };
}

/**
 * A part of the answer didn't get into the log. Where the log was only away, it may be back for the end: readers then
 * learn that the answer is cut, instead of waiting for the rest.
 */
async function endAfterLoss(
  stream: AnswerStream,
  textChunks: number,
  error: unknown,
): Promise<AnswerOutcome> {
  if (error instanceof StreamError && error.retryable) {
    const message = `the answer is cut here: ${error.message}`;
    await stream
      .send({ chunk_type: { type: "Error", error: message, code: error.code } })
      .catch(() => undefined);
  }
  return { kind: "lost", textChunks, error };
}

/** Sends without waiting for each acknowledgement, but with a bound on what is not acknowledged. */
class BoundedSender {
  /** The first chunk that couldn't be sent: the stream is not ours any more, or can't be reached. */
  failure: { error: unknown } | null = null;
  readonly #stream: AnswerStream;
  readonly #pending = new Set<Promise<void>>();
  readonly #failed = new AbortController();
  readonly signal: AbortSignal;

  constructor(stream: AnswerStream, signal: AbortSignal) {
    this.#stream = stream;
    this.signal = AbortSignal.any([signal, this.#failed.signal]);
  }

  /** Resolves as soon as there is room for another. @throws the failure of this or of an earlier chunk */
  async send(chunk: ChunkDraft): Promise<void> {
    this.#throwIfFailed();
    const sent = this.#stream
      .send(chunk)
      .then(
        () => undefined,
        (error: unknown) => this.#fail(error),
      )
      .finally(() => this.#pending.delete(sent));
    this.#pending.add(sent);
    if (this.#pending.size >= MAX_UNACKNOWLEDGED_CHUNKS) await Promise.race(this.#pending);
    this.#throwIfFailed();
  }

  /** Resolves once it and all before it are durable. */
  async sendLast(chunk: ChunkDraft): Promise<void> {
    await this.send(chunk);
    await Promise.all(this.#pending);
    this.#throwIfFailed();
  }

  /** A model that waits for its server is not to wait for a stream that can't be written. */
  #fail(error: unknown): void {
    this.failure ??= { error };
    this.#failed.abort(error instanceof Error ? error : new StreamError("CONNECTION", String(error)));
  }

  #throwIfFailed(): void {
    if (this.failure !== null) throw this.failure.error;
  }
}

import { StreamError, type ChunkDraft } from "@sluice/core";
import type { AnswerStream } from "./answer-stream.ts";
import { ModelError, type Model, type TokenUsage } from "./model.ts";

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
 * Streams one answer: a Text chunk for each delta as it arrives, then Complete; an Error chunk where the model fails or
 * the signal is aborted. Closes the stream's handle. Never throws.
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
  try {
    for await (const event of model.answer(prompt, sender.signal)) {
      if (event.type === "end") {
        await sender.sendLast(completeChunk(model.name, event.finishReason, event.usage));
        return { kind: "completed", textChunks };
      }
      if (textChunks === 0) onFirstText();
      textChunks++;
      await sender.send({ chunk_type: { type: "Text", content: event.text } });
    }
    throw new Error(`model ${model.name} ended without an end event`);
  } catch (error) {
    if (sender.failure === null) return await endWithError(sender, textChunks, error);
    return await endAfterLoss(stream, textChunks, sender.failure.error);
  } finally {
    await stream.close().catch(() => undefined);
  }
}

async function endWithError(
  sender: BoundedSender,
  textChunks: number,
  error: unknown,
): Promise<AnswerOutcome> {
  try {
    await sender.sendLast(errorChunk(error));
  } catch (sendError) {
    return { kind: "lost", textChunks, error: sendError };
  }
  return { kind: error instanceof AnswerStopped ? "stopped" : "failed", textChunks, error };
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

function completeChunk(model: string, finishReason: string | null, usage: TokenUsage | null): ChunkDraft {
  const total = usage === null ? null : usage.promptTokens + usage.completionTokens;
  return {
    chunk_type: { type: "Complete", summary: total === null ? null : `Tokens used: ${total}` },
    data: {
      model,
      finish_reason: finishReason,
      usage: usage && {
        prompt_tokens: usage.promptTokens,
        completion_tokens: usage.completionTokens,
        total_tokens: usage.promptTokens + usage.completionTokens,
      },
    },
  };
}

/** Only errors that were written for readers are told to them. */
function errorChunk(error: unknown): ChunkDraft {
  const isForReaders = error instanceof ModelError || error instanceof AnswerStopped;
  return {
    chunk_type: {
      type: "Error",
      error: isForReaders ? error.message : "the worker failed; what happened is in its log",
      code: isForReaders ? error.code : "WORKER_FAILED",
    },
  };
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

import { StreamError, type ChunkDraft } from "@sluice/core";
import type { StreamHandle } from "@sluice/producer";
import type { AnswerOptions, Model } from "./model.ts";

/** The worker ended the answer itself: the abort signal's reason. */
export class AnswerStopped extends Error {
  override readonly name = "AnswerStopped";
  readonly code = "WORKER_STOPPED";
}

/**
 * How an answer ended: `cancelled` by its readers, `failed` with the model, `stopped` with this worker, `lost` where not
 * all of it could be written (the stream was ended by others, or the log is away).
 */
export type AnswerOutcome =
  | { kind: "completed"; textChunks: number }
  | { kind: "cancelled"; textChunks: number }
  | { kind: "failed" | "stopped" | "lost"; textChunks: number; error: unknown };

/**
 * Streams one answer: each chunk as it arrives, the end included; it is an Error chunk where the model fails, or either
 * signal is aborted, the worker's or the stream's own. The model is stopped as soon as nobody wants the rest.
 * Closes the stream's handle. Never throws.
 */
export async function streamAnswer(answer: {
  model: Model;
  prompt: string;
  stream: StreamHandle;
  signal: AbortSignal;
  onFirstText: () => void;
  onUnknownPart?: AnswerOptions["onUnknownPart"];
}): Promise<AnswerOutcome> {
  const { model, prompt, stream, onFirstText } = answer;
  const signal = AbortSignal.any([answer.signal, stream.signal]);
  let textChunks = 0;
  let failure: unknown = null;
  const onText = (): void => {
    if (textChunks++ === 0) onFirstText();
  };
  try {
    const { onUnknownPart } = answer;
    const onError = (error: unknown): void => void (failure = error);
    const options = { signal, onError, ...(onUnknownPart && { onUnknownPart }) };
    const chunks = watched(model.answer(prompt, options), onText);
    const { status } = await stream.pipe(chunks, { describeError: () => WORKER_FAILED });
    if (status === "completed" || status === "cancelled") return { kind: status, textChunks };
    return { kind: failure instanceof AnswerStopped ? "stopped" : "failed", textChunks, error: failure };
  } catch (error) {
    return { kind: error instanceof StreamError ? "lost" : "failed", textChunks, error };
  } finally {
    await stream.close();
  }
}

/** A model doesn't throw: that is a mistake of ours, and readers learn only that there was one. */
const WORKER_FAILED = { error: "the worker failed; what happened is in its log", code: "WORKER_FAILED" };

async function* watched(
  chunks: AsyncIterable<ChunkDraft>,
  onText: () => void,
): AsyncGenerator<ChunkDraft, void, undefined> {
  for await (const chunk of chunks) {
    if (chunk.chunk_type.type === "Text") onText();
    yield chunk;
  }
}

import { StreamError, type ChunkDraft } from "@sluice/core";
import type { PipeItem, StreamHandle } from "@sluice/producer";
import { ModelError, type Model, type TokenUsage } from "./model.ts";

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
 * Streams one answer: a Text chunk for each delta as it arrives, then Complete; an Error chunk where the model fails, or
 * either signal is aborted, the worker's or the stream's own. The model is stopped as soon as nobody wants the rest.
 * Closes the stream's handle. Never throws.
 */
export async function streamAnswer(answer: {
  model: Model;
  prompt: string;
  stream: StreamHandle;
  signal: AbortSignal;
  onFirstText: () => void;
}): Promise<AnswerOutcome> {
  const { model, prompt, stream, onFirstText } = answer;
  const signal = AbortSignal.any([answer.signal, stream.signal]);
  let textChunks = 0;
  const onText = (): void => {
    if (textChunks++ === 0) onFirstText();
  };
  try {
    const chunks = chunksOf(model, prompt, signal, onText);
    const { status } = await stream.pipe(chunks, { describeError: forReaders });
    return { kind: status === "cancelled" ? "cancelled" : "completed", textChunks };
  } catch (error) {
    if (error instanceof StreamError) return { kind: "lost", textChunks, error };
    return { kind: error instanceof AnswerStopped ? "stopped" : "failed", textChunks, error };
  } finally {
    await stream.close();
  }
}

async function* chunksOf(
  model: Model,
  prompt: string,
  signal: AbortSignal,
  onText: () => void,
): AsyncGenerator<PipeItem, void, undefined> {
  for await (const event of model.answer(prompt, signal)) {
    if (event.type === "text") onText();
    yield event.type === "text" ? event.text : completeChunk(model.name, event.finishReason, event.usage);
  }
  throw new Error(`model ${model.name} ended without an end event`);
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
function forReaders(error: unknown): { error: string; code: string } {
  const isForReaders = error instanceof ModelError || error instanceof AnswerStopped;
  return {
    error: isForReaders ? error.message : "the worker failed; what happened is in its log",
    code: isForReaders ? error.code : "WORKER_FAILED",
  };
}

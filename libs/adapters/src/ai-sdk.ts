import type { ChunkDraft, JsonValue } from "@sluice/core";
import type { LanguageModelUsage, TextStreamPart, ToolSet } from "ai";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import { usageOf, type AnswerChunks, type TokenUsage } from "./answer-chunks.ts";
import { toJson } from "./json-value.ts";
import type { Source } from "./read-source.ts";
import { SourceFailure } from "./source-failure.ts";
import { ToolCalls } from "./tool-calls.ts";

export type { AdapterOptions } from "./adapt.ts";

/**
 * @param stream the `fullStream` of the AI SDK's `streamText`. Give `streamText` the signal too, as `abortSignal`: it stops
 * the model, and tools that run
 */
export function fromAiSdk<Tools extends ToolSet>(
  stream: Source<TextStreamPart<Tools>>,
  options: AdapterOptions = {},
): AsyncGenerator<ChunkDraft, void, undefined> {
  return adapt<TextStreamPart<Tools>>(
    stream,
    { ...options, defaultSource: "ai-sdk" },
    (chunks) => new FullStreamMapping(chunks, options.onError),
  );
}

class FullStreamMapping<Tools extends ToolSet> implements Mapping<TextStreamPart<Tools>> {
  readonly #chunks: AnswerChunks;
  readonly #toolCalls: ToolCalls;
  readonly #onError: (error: unknown) => void;
  #step = 0;
  #files = 0;

  constructor(chunks: AnswerChunks, onError: (error: unknown) => void = () => undefined) {
    this.#chunks = chunks;
    this.#toolCalls = new ToolCalls(chunks);
    this.#onError = onError;
  }

  get isWhole(): boolean {
    return this.#chunks.finishReason !== null;
  }

  take(part: TextStreamPart<Tools>): Iterable<ChunkDraft> {
    switch (part.type) {
      case "text-delta":
        return part.text === "" ? [] : [this.#chunks.text(part.text)];
      case "reasoning-delta":
        return [this.#chunks.reasoning(part.text)];
      case "tool-input-start":
        return [this.#toolCalls.start(part.id, part.id, part.toolName)];
      case "tool-input-delta":
        return this.#toolCalls.delta(part.id, part.delta);
      case "tool-call":
        return this.#toolCall(part.toolCallId, part.toolName, toJson(part.input));
      case "tool-result":
        return [
          this.#chunks.toolResult({
            toolCallId: part.toolCallId,
            name: part.toolName,
            result: part.output,
          }),
        ];
      case "tool-error":
        // What a tool throws is written for its developers.
        this.#onError(part.error);
        return [this.#refused(part, "the tool failed")];
      case "tool-output-denied":
        return [this.#refused(part, "the tool call was denied")];
      case "tool-approval-request":
        return [
          this.#chunks.event("tool_approval_requested", {
            approval_id: part.approvalId,
            tool_call_id: part.toolCall.toolCallId,
          }),
        ];
      case "source":
        return [this.#chunks.event("citation", { citation: toJson(part) })];
      case "file":
        return this.#chunks.file(`file_${++this.#files}`, part.file.mediaType, part.file.base64);
      case "start-step":
        return [this.#chunks.event("step_started", { step: ++this.#step })];
      case "finish-step":
        this.#chunks.model = part.response.modelId;
        return [
          this.#chunks.event("step_completed", {
            step: this.#step,
            finish_reason: part.finishReason,
            usage: toJson(tokenUsageOf(part.usage)),
          }),
        ];
      case "finish":
        if (part.finishReason === "error")
          throw new SourceFailure("LLM_ERROR", "the model ended with an error");
        this.#chunks.finishReason = part.finishReason;
        this.#chunks.usage = tokenUsageOf(part.totalUsage);
        return [];
      case "abort":
        throw new DOMException(part.reason ?? "aborted", "AbortError");
      case "error":
        throw part.error;
      default:
        return [];
    }
  }

  *finish(): Generator<ChunkDraft> {
    if (!this.isWhole)
      throw new SourceFailure("LLM_ERROR", "the model broke off in the middle of the answer");
    yield this.#chunks.complete();
  }

  /** Models that don't stream their arguments send calls only whole. */
  *#toolCall(id: string, name: string, input: JsonValue): Generator<ChunkDraft> {
    if (this.#toolCalls.openId(id) === undefined) yield this.#toolCalls.start(id, id, name);
    yield* this.#toolCalls.complete(id, input);
  }

  #refused({ toolCallId, toolName }: { toolCallId: string; toolName: string }, why: string): ChunkDraft {
    return this.#chunks.toolResult({ toolCallId, name: toolName, result: why, isError: true });
  }
}

function tokenUsageOf(usage: LanguageModelUsage): TokenUsage | null {
  return usageOf({
    input: usage.inputTokens,
    output: usage.outputTokens,
    cached: usage.inputTokenDetails?.cacheReadTokens,
    reasoning: usage.outputTokenDetails?.reasoningTokens,
  });
}

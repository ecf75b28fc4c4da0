import type { ChunkDraft } from "@sluice/core";
import type { TextStreamPart, ToolSet } from "ai";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import { scopeOf, type Answer } from "./answer.ts";
import { firstText, isText, recordOf, saysSomething, toJson } from "./json-value.ts";
import type { Source } from "./read-source.ts";
import { brokenOff, failureOf, SourceFailure } from "./source-failure.ts";
import { usageOf, type TokenUsage } from "./token-usage.ts";

export type { AdapterOptions } from "./adapt.ts";

/**
 * @param stream the `fullStream` of the AI SDK's `streamText`. Give `streamText` the signal too, as `abortSignal`: it stops
 * the model, and tools that run
 */
export function fromAiSdk<Tools extends ToolSet>(
  stream: Source<TextStreamPart<Tools>>,
  options: AdapterOptions = {},
): AsyncGenerator<ChunkDraft, void, undefined> {
  const settings = { ...options, defaultSource: "ai-sdk" };
  return adapt<unknown>(stream, settings, (answer) => new FullStreamMapping(answer, options.onError));
}

type Told = Record<string, unknown>;

const SCOPE = scopeOf(0);

/** Parts that only frame others, or repeat the provider's own. */
const FRAMES = new Set([
  "start",
  "stream-start",
  "response-metadata",
  "text-start",
  "text-end",
  "reasoning-start",
  "reasoning-end",
  "tool-input-end",
  "raw",
]);

class FullStreamMapping implements Mapping<unknown> {
  readonly #answer: Answer;
  readonly #onError: (error: unknown) => void;
  #step = 0;

  constructor(answer: Answer, onError: (error: unknown) => void = () => undefined) {
    this.#answer = answer;
    this.#onError = onError;
  }

  *take(item: unknown): Generator<ChunkDraft> {
    const part = recordOf(item);
    const type = firstText(part["type"]) ?? "";
    if (FRAMES.has(type) || !saysSomething(part)) return;
    this.#answer.see(0, false);
    if (type === "error") throw failureOf(part["error"] ?? "an error without a word");
    if (type === "abort") throw new DOMException(firstText(part["reason"]) ?? "aborted", "AbortError");
    if (type === "finish") yield* this.#finish(part);
    else if (type.startsWith("tool-")) yield* this.#tool(type, part);
    else yield* this.#content(type, part);
  }

  finish(): Iterable<ChunkDraft> {
    return this.#answer.end();
  }

  *#content(type: string, part: Told): Generator<ChunkDraft> {
    const { chunks } = this.#answer;
    const text = firstText(part["text"], part["delta"], part["textDelta"]) ?? "";
    if (type === "text-delta") yield* chunks.text(text);
    else if (type === "reasoning-delta") yield* chunks.reasoning(text);
    else if (type === "source") yield chunks.event("citation", { citation: toJson(part) });
    else if (type === "file" || type === "reasoning-file") yield* this.#file(part);
    else if (type === "start-step") yield chunks.event("step_started", { step: ++this.#step });
    else if (type === "finish-step") yield this.#stepCompleted(part);
    else yield chunks.unknown(type === "" ? "part" : type, part);
  }

  *#tool(type: string, part: Told): Generator<ChunkDraft> {
    const { chunks, toolCalls } = this.#answer;
    const { id, toolCallId, toolName, toolCall, approvalId } = part;
    const ids = [id, toolCallId];
    if (type === "tool-input-start") yield* toolCalls.piece(SCOPE, { ids, name: toolName });
    else if (type === "tool-input-delta") {
      yield* toolCalls.piece(SCOPE, { ids, args: part["delta"] ?? part["inputTextDelta"] });
    } else if (type === "tool-call") yield* this.#call(part);
    else if (type === "tool-result") yield this.#result(part, part["output"] ?? part["result"]);
    else if (type === "tool-error") {
      // What a tool throws is written for its developers.
      this.#onError(part["error"]);
      yield this.#result(part, "the tool failed", true);
    } else if (type === "tool-output-denied") yield this.#result(part, "the tool call was denied", true);
    else if (type === "tool-approval-request") {
      const { toolCallId: asked } = recordOf(toolCall);
      const known = toolCalls.idOf(asked) ?? firstText(asked, toolCallId);
      yield chunks.event("tool_approval_requested", { approval_id: toJson(approvalId), tool_call_id: known });
    } else yield chunks.unknown(type, part);
  }

  /** Models that don't stream their arguments send calls only whole; of what is no JSON the library has the text. */
  #call({ toolCallId, toolName, input, args }: Told): Iterable<ChunkDraft> {
    const value = input ?? args;
    const piece = { ids: [toolCallId], name: toolName };
    if (typeof value === "string") return this.#answer.toolCalls.whole(SCOPE, { ...piece, text: value });
    return this.#answer.toolCalls.whole(SCOPE, { ...piece, args: value });
  }

  #result(part: Told, result: unknown, isError = false): ChunkDraft {
    const { toolCallId, toolName, preliminary } = part;
    return this.#answer.chunks.toolResult({
      toolCallId: this.#answer.toolCalls.idOf(toolCallId) ?? firstText(toolCallId) ?? "",
      name: firstText(toolName),
      result,
      isError,
      isPreliminary: preliminary === true,
    });
  }

  *#file(part: Told): Generator<ChunkDraft> {
    const file = recordOf(part["file"] ?? part);
    const { base64, mediaType, mimeType, uint8Array, data } = file;
    const bytes = [uint8Array, data].find((value) => value instanceof Uint8Array);
    const text = firstText(base64, data) ?? (bytes && Buffer.from(bytes).toString("base64"));
    if (!isText(text)) yield this.#answer.chunks.unknown("file", part);
    else yield* this.#answer.chunks.file(firstText(mediaType, mimeType) ?? "application/octet-stream", text);
  }

  #stepCompleted({ response, finishReason, usage }: Told): ChunkDraft {
    this.#answer.chunks.model = firstText(recordOf(response)["modelId"]) ?? this.#answer.chunks.model;
    return this.#answer.chunks.event("step_completed", {
      step: this.#step,
      finish_reason: firstText(finishReason),
      usage: toJson(tokenUsageOf(usage)),
    });
  }

  *#finish(part: Told): Generator<ChunkDraft> {
    const { finishReason, totalUsage, usage } = part;
    const raw = part["rawFinishReason"];
    // So the library says that its provider gave no reason: the connection may as well have been cut.
    const isUnknown = finishReason === "unknown" || (finishReason === "other" && "rawFinishReason" in part);
    if (isUnknown && !isText(raw)) throw brokenOff();
    if (finishReason === "error") {
      throw new SourceFailure("LLM_ERROR", "the model ended with an error", { said: raw });
    }
    this.#answer.costs(tokenUsageOf(totalUsage ?? usage));
    yield* this.#answer.finish(0, finishReason === "unknown" ? raw : finishReason);
  }
}

function tokenUsageOf(usage: unknown): TokenUsage | null {
  const told = recordOf(usage);
  return usageOf({
    input: told["inputTokens"] ?? told["promptTokens"],
    output: told["outputTokens"] ?? told["completionTokens"],
    cached: recordOf(told["inputTokenDetails"])["cacheReadTokens"] ?? told["cachedInputTokens"],
    reasoning: recordOf(told["outputTokenDetails"])["reasoningTokens"] ?? told["reasoningTokens"],
  });
}

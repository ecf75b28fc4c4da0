import type { ChunkDraft } from "@sluice/core";
import { usageOf, type AnswerChunks, type TokenUsage } from "./answer-chunks.ts";
import { isText, recordOf, toJson } from "./json-value.ts";
import { ToolCalls } from "./tool-calls.ts";

/**
 * Reads what models say in LangChain's messages, of as many runs of models as an agent needs. Messages are read by their
 * members, as they come from any version of the library, and over the network from LangGraph's server.
 */
export class MessageReader {
  readonly #chunks: AnswerChunks;
  readonly #toolCalls: ToolCalls;

  constructor(chunks: AnswerChunks) {
    this.#chunks = chunks;
    this.#toolCalls = new ToolCalls(chunks);
  }

  /** @param run tells one model's answer from another's, which may come between its pieces */
  *piece(run: string, message: unknown): Generator<ChunkDraft> {
    const { content, tool_call_chunks: calls, additional_kwargs } = recordOf(message);
    const { reasoning_content: reasoning } = recordOf(additional_kwargs);
    if (isText(reasoning)) yield this.#chunks.reasoning(reasoning);
    if (isText(content)) yield this.#chunks.text(content);
    for (const block of Array.isArray(content) ? content : []) yield* this.#block(recordOf(block));
    for (const call of Array.isArray(calls) ? calls : []) yield* this.#toolCallPiece(run, recordOf(call));
  }

  /** The answer of a model that doesn't stream. */
  *whole(run: string, message: unknown): Generator<ChunkDraft> {
    yield* this.piece(run, { ...recordOf(message), tool_call_chunks: [] });
    const { tool_calls: calls } = recordOf(message);
    for (const call of Array.isArray(calls) ? calls : []) {
      const { id, name, args } = recordOf(call);
      const key = `${run}.${String(id)}`;
      yield this.#toolCalls.start(key, this.#idOf(id), String(name));
      yield* this.#toolCalls.complete(key, toJson(args));
    }
  }

  /** After a run's last piece: completes its tool calls, adds up what it cost. */
  *end(run: string, message: unknown): Generator<ChunkDraft> {
    yield* this.#toolCalls.completeAll(`${run}.`);
    this.count(message);
  }

  /** After the last piece of the run that made this call, as whoever answers it has all of it. */
  endCaller(callId: unknown): ChunkDraft[] {
    const key = isText(callId) ? this.#toolCalls.openKey(callId) : undefined;
    return key === undefined ? [] : this.#toolCalls.completeAll(key.slice(0, key.lastIndexOf(".") + 1));
  }

  endAll(): ChunkDraft[] {
    return this.#toolCalls.completeAll();
  }

  /** It has its calls ready-made; in pieces they come as `tool_call_chunks`. */
  isWhole(message: unknown): boolean {
    const { tool_calls: calls, tool_call_chunks: pieces } = recordOf(message);
    return Array.isArray(calls) && calls.length > 0 && !(Array.isArray(pieces) && pieces.length > 0);
  }

  /** Its run has said all but, maybe, what it cost. */
  isLast(message: unknown): boolean {
    return isText(finishReasonOf(message));
  }

  count(message: unknown): void {
    const { usage_metadata, response_metadata } = recordOf(message);
    const facts = recordOf(response_metadata);
    const model = facts["model_name"] ?? facts["model"];
    const reason = finishReasonOf(message);
    if (isText(model)) this.#chunks.model = model;
    if (isText(reason)) this.#chunks.finishReason = reason;
    const usage = tokenUsageOf(recordOf(usage_metadata));
    if (usage !== null) this.#chunks.usage = sumOf(this.#chunks.usage, usage);
  }

  toolMessage(message: unknown): ChunkDraft {
    const { tool_call_id: id, name, content, status } = recordOf(message);
    return this.#chunks.toolResult({
      toolCallId: isText(id) ? id : "",
      name: isText(name) ? name : null,
      result: content ?? message,
      isError: status === "error",
    });
  }

  *#block(block: Record<string, unknown>): Generator<ChunkDraft> {
    const { type, text, reasoning, thinking } = block;
    if (type === "text" && isText(text)) yield this.#chunks.text(text);
    const thought = type === "reasoning" ? reasoning : type === "thinking" ? thinking : undefined;
    if (isText(thought)) yield this.#chunks.reasoning(thought);
  }

  /** Providers that send each call whole give it no index. */
  *#toolCallPiece(run: string, call: Record<string, unknown>): Generator<ChunkDraft> {
    const { index, id, name, args } = call;
    const key = `${run}.${isText(index) || typeof index === "number" ? index : isText(id) ? id : 0}`;
    if (this.#toolCalls.openId(key) === undefined) {
      yield this.#toolCalls.start(key, this.#idOf(id), isText(name) ? name : "");
    }
    yield* this.#toolCalls.delta(key, isText(args) ? args : "");
  }

  #idOf(id: unknown): string {
    return isText(id) ? id : `call_${this.#toolCalls.count}`;
  }
}

function finishReasonOf(message: unknown): unknown {
  const { finish_reason, stop_reason } = recordOf(recordOf(message)["response_metadata"]);
  return finish_reason ?? stop_reason;
}

function tokenUsageOf(usage: Record<string, unknown>): TokenUsage | null {
  const number = (value: unknown): number | null => (typeof value === "number" ? value : null);
  return usageOf({
    input: number(usage["input_tokens"]),
    output: number(usage["output_tokens"]),
    cached: number(recordOf(usage["input_token_details"])["cache_read"]),
    reasoning: number(recordOf(usage["output_token_details"])["reasoning"]),
  });
}

function sumOf(one: TokenUsage | null, other: TokenUsage): TokenUsage {
  if (one === null) return other;
  const sum = (key: "cached_input_tokens" | "reasoning_tokens"): number | undefined =>
    one[key] === undefined ? other[key] : one[key] + (other[key] ?? 0);
  const [cached, reasoning] = [sum("cached_input_tokens"), sum("reasoning_tokens")];
  return {
    input_tokens: one.input_tokens + other.input_tokens,
    output_tokens: one.output_tokens + other.output_tokens,
    total_tokens: one.total_tokens + other.total_tokens,
    ...(cached !== undefined && { cached_input_tokens: cached }),
    ...(reasoning !== undefined && { reasoning_tokens: reasoning }),
  };
}

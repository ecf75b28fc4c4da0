import type { ChunkDraft } from "@sluice/core";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import { usageOf, type AnswerChunks, type TokenUsage } from "./answer-chunks.ts";
import { Choices } from "./choices.ts";
import { isText } from "./json-value.ts";
import type { Source } from "./read-source.ts";
import { SourceFailure } from "./source-failure.ts";
import { ToolCalls } from "./tool-calls.ts";

export type { AdapterOptions } from "./adapt.ts";

/**
 * A chat completion that is streamed, of OpenAI or whoever calls itself compatible.
 * @param stream what `client.chat.completions.create({ stream: true, … })` answers with, awaited or not. Usage is told
 * where it was asked for (`stream_options: { include_usage: true }`)
 */
export function fromOpenAiChat(
  stream: Source<ChatCompletionChunk>,
  options: AdapterOptions = {},
): AsyncGenerator<ChunkDraft, void, undefined> {
  return adapt(stream, { ...options, defaultSource: "openai" }, (chunks) => new ChatMapping(chunks));
}

type Delta = ChatCompletionChunk.Choice.Delta;
/** Reasoning isn't of OpenAI's interface: DeepSeek, vLLM and llama.cpp say `reasoning_content`, OpenRouter and Ollama `reasoning`. */
type CompatibleDelta = Delta & { reasoning_content?: unknown; reasoning?: unknown };
type CompatibleToolCall = Partial<ChatCompletionChunk.Choice.Delta.ToolCall>;

/** Servers that call themselves compatible leave out what OpenAI promises. */
interface CompatibleChoice {
  index?: number;
  delta?: CompatibleDelta | null;
  finish_reason?: string | null;
}

class ChatMapping implements Mapping<ChatCompletionChunk> {
  readonly #chunks: AnswerChunks;
  readonly #toolCalls: ToolCalls;
  readonly #choices = new Choices();

  constructor(chunks: AnswerChunks) {
    this.#chunks = chunks;
    this.#toolCalls = new ToolCalls(chunks);
  }

  get isWhole(): boolean {
    return this.#choices.unfinished.length === 0;
  }

  *take(part: ChatCompletionChunk): Generator<ChunkDraft> {
    this.#chunks.model ??= part.model ?? null;
    const usage = part.usage ?? null;
    if (usage !== null) this.#chunks.usage = tokenUsageOf(usage);
    for (const choice of (part.choices ?? []) as CompatibleChoice[]) yield* this.#takeChoice(choice);
  }

  *finish(): Generator<ChunkDraft> {
    if (!this.isWhole) {
      throw new SourceFailure("LLM_ERROR", "the model's server broke off in the middle of the answer");
    }
    yield this.#chunks.complete();
  }

  *#takeChoice(choice: CompatibleChoice): Generator<ChunkDraft> {
    const { index = 0, delta, finish_reason } = choice;
    this.#choices.take(choice);
    yield* index === 0 ? this.#takeFirst(delta ?? {}) : this.#takeOther(index, delta ?? {});
    let position = 0;
    for (const call of toolCallsOf(delta ?? {})) yield* this.#takeToolCall(index, call, position++);
    if (typeof finish_reason !== "string") return;
    yield* this.#toolCalls.completeAll(`${index}.`);
    if (index === 0) this.#chunks.finishReason = finish_reason;
    else yield this.#chunks.event("choice_completed", { choice: index, finish_reason });
  }

  *#takeFirst(delta: CompatibleDelta): Generator<ChunkDraft> {
    const reasoning = delta.reasoning_content ?? delta.reasoning;
    if (isText(reasoning)) yield this.#chunks.reasoning(reasoning);
    if (isText(delta.content)) yield this.#chunks.text(delta.content);
    if (isText(delta.refusal)) yield this.#chunks.refusal(delta.refusal);
  }

  /** Never Text: joined with the first choice's it would be neither answer. */
  *#takeOther(choice: number, { content, refusal }: CompatibleDelta): Generator<ChunkDraft> {
    const text = isText(content) ? content : refusal;
    if (isText(text)) yield this.#chunks.event("choice_delta", { choice, text });
  }

  /** Servers tell calls apart by index, or by a new id under the same index, or send each whole and tell neither. */
  *#takeToolCall(choice: number, call: CompatibleToolCall, position: number): Generator<ChunkDraft> {
    const key = `${choice}.${call.index ?? position}`;
    const openId = this.#toolCalls.openId(key);
    const isNew = openId === undefined || (isText(call.id) && call.id !== openId);
    if (isNew) {
      yield* this.#toolCalls.complete(key);
      const id = isText(call.id) ? call.id : `call_${this.#toolCalls.count}`;
      yield this.#toolCalls.start(key, id, call.function?.name ?? "");
    }
    yield* this.#toolCalls.delta(key, call.function?.arguments ?? "");
  }
}

function tokenUsageOf(usage: NonNullable<ChatCompletionChunk["usage"]>): TokenUsage | null {
  return usageOf({
    input: usage.prompt_tokens,
    output: usage.completion_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens,
    reasoning: usage.completion_tokens_details?.reasoning_tokens,
  });
}

function toolCallsOf({ tool_calls, function_call }: CompatibleDelta): CompatibleToolCall[] {
  return tool_calls ?? (function_call ? [{ index: 0, function: function_call }] : []);
}

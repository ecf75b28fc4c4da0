import type { RawContentBlockDelta, RawMessageStreamEvent } from "@anthropic-ai/sdk/resources/messages";
import type { ChunkDraft } from "@sluice/core";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import { usageOf, type AnswerChunks } from "./answer-chunks.ts";
import { recordOf, toJson } from "./json-value.ts";
import type { Source } from "./read-source.ts";
import { SourceFailure } from "./source-failure.ts";
import { ToolCalls } from "./tool-calls.ts";

export type { AdapterOptions } from "./adapt.ts";

/**
 * @param stream what `client.messages.create({ stream: true, … })` answers with, awaited or not, or
 * `client.messages.stream(…)`
 */
export function fromAnthropic(
  stream: Source<RawMessageStreamEvent>,
  options: AdapterOptions = {},
): AsyncGenerator<ChunkDraft, void, undefined> {
  return adapt(stream, { ...options, defaultSource: "anthropic" }, (chunks) => new MessageMapping(chunks));
}

type ContentBlock = Extract<RawMessageStreamEvent, { type: "content_block_start" }>["content_block"];

class MessageMapping implements Mapping<RawMessageStreamEvent> {
  readonly #chunks: AnswerChunks;
  readonly #toolCalls: ToolCalls;
  /** What is told at the start stands until the end corrects it. */
  #usage: Record<string, unknown> = {};
  #isOver = false;

  constructor(chunks: AnswerChunks) {
    this.#chunks = chunks;
    this.#toolCalls = new ToolCalls(chunks);
  }

  get isWhole(): boolean {
    return this.#isOver;
  }

  take(event: RawMessageStreamEvent): Iterable<ChunkDraft> {
    switch (event.type) {
      case "message_start":
        this.#chunks.model = event.message.model;
        this.#count(event.message.usage);
        return [];
      case "content_block_start":
        return this.#blockStart(String(event.index), event.content_block);
      case "content_block_delta":
        return this.#blockDelta(String(event.index), event.delta);
      case "content_block_stop":
        return this.#toolCalls.complete(String(event.index));
      case "message_delta":
        this.#chunks.finishReason = event.delta.stop_reason;
        this.#count(event.usage);
        return [];
      case "message_stop":
        this.#isOver = true;
        return [];
      default:
        return [];
    }
  }

  *finish(): Generator<ChunkDraft> {
    if (!this.#isOver) {
      throw new SourceFailure("LLM_ERROR", "the model's server broke off in the middle of the answer");
    }
    yield this.#chunks.complete();
  }

  *#blockStart(key: string, block: ContentBlock): Generator<ChunkDraft> {
    if (block.type === "text" && block.text !== "") yield this.#chunks.text(block.text);
    else if (isToolUse(block)) yield this.#toolCalls.start(key, block.id, block.name);
    else if (isToolResult(block)) {
      yield this.#chunks.toolResult({
        toolCallId: block.tool_use_id,
        name: block.type.replace(/_tool_result$/, ""),
        result: block.content,
        isError: String(recordOf(block.content)["type"]).endsWith("_error"),
      });
    }
  }

  *#blockDelta(key: string, delta: RawContentBlockDelta): Generator<ChunkDraft> {
    if (delta.type === "text_delta") yield this.#chunks.text(delta.text);
    else if (delta.type === "thinking_delta") yield this.#chunks.reasoning(delta.thinking);
    else if (delta.type === "input_json_delta") yield* this.#toolCalls.delta(key, delta.partial_json);
    else if (delta.type === "citations_delta") {
      yield this.#chunks.event("citation", { citation: toJson(delta.citation) });
    }
  }

  /** Anthropic counts what came from the cache, or went into it, apart from the input. */
  #count(usage: object): void {
    for (const [name, value] of Object.entries(usage)) if (value !== null) this.#usage[name] = value;
    const count = (name: string): number | null => {
      const value = this.#usage[name];
      return typeof value === "number" ? value : null;
    };
    const [input, cached] = [count("input_tokens"), count("cache_read_input_tokens")];
    this.#chunks.usage = usageOf({
      input: input === null ? null : input + (cached ?? 0) + (count("cache_creation_input_tokens") ?? 0),
      output: count("output_tokens"),
      cached,
    });
  }
}

type ToolUse = Extract<ContentBlock, { type: `${string}tool_use` }>;
type ToolResult = Extract<ContentBlock, { type: `${string}_tool_result` }>;

function isToolUse(block: ContentBlock): block is ToolUse {
  return block.type.endsWith("tool_use");
}

function isToolResult(block: ContentBlock): block is ToolResult {
  return block.type.endsWith("_tool_result");
}

import type { ChunkDraft } from "@sluice/core";
import type { Response, ResponseOutputItem, ResponseStreamEvent } from "openai/resources/responses/responses";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import { usageOf, type AnswerChunks } from "./answer-chunks.ts";
import { recordOf, toJson } from "./json-value.ts";
import type { Source } from "./read-source.ts";
import { SourceFailure } from "./source-failure.ts";
import { parseArguments, ToolCalls } from "./tool-calls.ts";

export type { AdapterOptions } from "./adapt.ts";

/** @param stream what OpenAI's `client.responses.create({ stream: true, … })` answers with, awaited or not */
export function fromOpenAiResponses(
  stream: Source<ResponseStreamEvent>,
  options: AdapterOptions = {},
): AsyncGenerator<ChunkDraft, void, undefined> {
  return adapt(stream, { ...options, defaultSource: "openai" }, (chunks) => new ResponseMapping(chunks));
}

/** Members of a tool's item that its call has told already. */
const TOLD_BY_CALL = ["id", "type", "status", "call_id", "name", "arguments", "input", "code"];

class ResponseMapping implements Mapping<ResponseStreamEvent> {
  readonly #chunks: AnswerChunks;
  readonly #toolCalls: ToolCalls;

  constructor(chunks: AnswerChunks) {
    this.#chunks = chunks;
    this.#toolCalls = new ToolCalls(chunks);
  }

  get isWhole(): boolean {
    return this.#chunks.finishReason !== null;
  }

  take(event: ResponseStreamEvent): Iterable<ChunkDraft> {
    switch (event.type) {
      case "response.output_text.delta":
        return [this.#chunks.text(event.delta)];
      case "response.refusal.delta":
        return [this.#chunks.refusal(event.delta)];
      case "response.reasoning_text.delta":
      case "response.reasoning_summary_text.delta":
        return [this.#chunks.reasoning(event.delta)];
      case "response.output_text.annotation.added":
        return [this.#chunks.event("citation", { citation: toJson(event.annotation) })];
      case "response.function_call_arguments.delta":
      case "response.mcp_call_arguments.delta":
      case "response.custom_tool_call_input.delta":
      case "response.code_interpreter_call_code.delta":
        return this.#toolCalls.delta(event.item_id, event.delta);
      case "response.output_item.added":
        return this.#itemAdded(event.item);
      case "response.output_item.done":
        return this.#itemDone(event.item);
      case "response.completed":
      case "response.incomplete":
        this.#ended(event.response);
        return [];
      case "response.failed":
        throw reported(event.response.error?.code, event.response.error?.message);
      case "error":
        throw reported(event.code, event.message);
      default:
        return [];
    }
  }

  *finish(): Generator<ChunkDraft> {
    if (!this.isWhole) {
      throw new SourceFailure("LLM_ERROR", "the model's server broke off in the middle of the answer");
    }
    yield this.#chunks.complete();
  }

  *#itemAdded(item: ResponseOutputItem): Generator<ChunkDraft> {
    if (!isToolCall(item)) return;
    const { name } = recordOf(item);
    yield this.#toolCalls.start(item.id ?? "", callIdOf(item), typeof name === "string" ? name : item.type);
  }

  /** Tools that OpenAI runs itself have their results in the item of the call. */
  *#itemDone(item: ResponseOutputItem): Generator<ChunkDraft> {
    if (!isToolCall(item)) return;
    const { arguments: args, input, code } = recordOf(item);
    const known = typeof args === "string" ? parseArguments(args) : toJson(input ?? code ?? {});
    const name = this.#toolCalls.openName(item.id ?? "");
    yield* this.#toolCalls.complete(item.id ?? "", known);
    if (item.type === "image_generation_call") {
      if (item.result !== null) yield* this.#chunks.file(item.id, "image/png", item.result);
    } else if (item.type !== "function_call" && item.type !== "custom_tool_call") {
      const told = Object.entries(item).filter(([key]) => !TOLD_BY_CALL.includes(key));
      const isError = "error" in item && (item.error ?? null) !== null;
      yield this.#chunks.toolResult({
        toolCallId: callIdOf(item),
        name,
        result: Object.fromEntries(told),
        isError,
      });
    }
  }

  #ended({ model, usage, status, incomplete_details }: Response): void {
    this.#chunks.model = model;
    this.#chunks.finishReason = incomplete_details?.reason ?? status ?? "completed";
    this.#chunks.usage = usageOf({
      input: usage?.input_tokens,
      output: usage?.output_tokens,
      cached: usage?.input_tokens_details?.cached_tokens,
      reasoning: usage?.output_tokens_details?.reasoning_tokens,
    });
  }
}

type ToolCallItem = Extract<ResponseOutputItem, { type: `${string}_call` }>;

function isToolCall(item: ResponseOutputItem): item is ToolCallItem {
  return item.type.endsWith("_call");
}

/** The id by which results refer to the call: the item's own where OpenAI runs the tool. */
function callIdOf(item: ToolCallItem): string {
  const { call_id: callId, id } = recordOf(item);
  return typeof callId === "string" ? callId : String(id);
}

function reported(code: string | null | undefined, message: string | undefined): SourceFailure {
  return new SourceFailure(
    code === "rate_limit_exceeded" ? "LLM_RATE_LIMITED" : "LLM_ERROR",
    `the model's server reported: ${message ?? "an error"}`,
    { data: { status: null, type: code ?? null } },
  );
}

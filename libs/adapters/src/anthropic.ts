import type { RawMessageStreamEvent } from "@anthropic-ai/sdk/resources/messages";
import type { ChunkDraft } from "@sluice/core";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import { scopeOf, type Answer } from "./answer.ts";
import { contentParts } from "./content-parts.ts";
import { firstText, isText, listOf, recordOf, saysSomething, toJson } from "./json-value.ts";
import type { Source } from "./read-source.ts";
import { reportIn, reportOf } from "./server-report.ts";
import { serverFailure } from "./source-failure.ts";
import { usageOf } from "./token-usage.ts";

export type { AdapterOptions } from "./adapt.ts";

/**
 * @param stream what `client.messages.create({ stream: true, … })` answers with, awaited or not, or
 * `client.messages.stream(…)`
 */
export function fromAnthropic(
  stream: Source<RawMessageStreamEvent>,
  options: AdapterOptions = {},
): AsyncGenerator<ChunkDraft, void, undefined> {
  const settings = { ...options, defaultSource: "anthropic" };
  return adapt<unknown>(stream, settings, (answer) => new MessageMapping(answer));
}

type Told = Record<string, unknown>;

const SCOPE = scopeOf(0);
const TOOL_RESULT = /_tool_result$|^tool_result$/;
const TOOL_USE = /tool_use$/;

class MessageMapping implements Mapping<unknown> {
  readonly #answer: Answer;
  /** Usage at the start, which stands until the end corrects it. */
  #usage: Told = {};
  /** Types of the blocks that are open, by their place. */
  readonly #open = new Map<string, string>();

  constructor(answer: Answer) {
    this.#answer = answer;
  }

  *take(item: unknown): Generator<ChunkDraft> {
    const report = reportIn(item);
    if (report !== null) throw serverFailure(report);
    const event = recordOf(item);
    const { type, index } = event;
    const place = String(index);
    if (type === "message_start") yield* this.#message(recordOf(event["message"]));
    else if (type === "content_block_start") yield* this.#content(() => this.#blockStart(place, event));
    else if (type === "content_block_delta") yield* this.#content(() => this.#blockDelta(place, event));
    else if (type === "content_block_stop") yield* this.#blockStop(place, index);
    else if (type === "message_delta") yield* this.#messageDelta(event);
    // Compatible servers that don't stream answer with the message itself.
    else if (type === "message") yield* this.#message(event);
    else if (type === "completion") yield* this.#completion(event);
    else if (type !== "message_stop" && type !== "ping" && saysSomething(event)) {
      if (type === "error") throw serverFailure(reportOf(event));
      yield this.#answer.chunks.unknown(firstText(type) ?? "event", event);
    }
  }

  finish(): Iterable<ChunkDraft> {
    return this.#answer.end();
  }

  /** Whether it goes on after its stop reason is what the answer has to know. */
  *#content(said: () => Iterable<ChunkDraft>): Generator<ChunkDraft> {
    for (const chunk of said()) {
      this.#answer.see(0, true);
      yield chunk;
    }
  }

  *#message(message: Told): Generator<ChunkDraft> {
    this.#answer.named(message["model"]);
    this.#answer.see(0, false);
    this.#count(recordOf(message["usage"]));
    for (const block of listOf(message["content"])) {
      yield* this.#content(() => this.#blockStart("whole", { content_block: block }));
      yield* this.#blockStop("whole", undefined);
    }
    yield* this.#answer.finish(0, message["stop_reason"]);
  }

  *#messageDelta(event: Told): Generator<ChunkDraft> {
    this.#answer.see(0, false);
    this.#count(recordOf(event["usage"]));
    yield* this.#answer.finish(0, recordOf(event["delta"])["stop_reason"]);
  }

  *#completion({ completion, stop_reason, model }: Told): Generator<ChunkDraft> {
    this.#answer.named(model);
    this.#answer.see(0, isText(completion));
    if (isText(completion)) yield* this.#answer.chunks.text(completion);
    yield* this.#answer.finish(0, stop_reason);
  }

  *#blockStart(place: string, event: Told): Generator<ChunkDraft> {
    const { chunks, toolCalls } = this.#answer;
    const block = recordOf(event["content_block"]);
    const type = firstText(block["type"]) ?? "";
    this.#open.set(place, type);
    if (TOOL_USE.test(type)) {
      const { id, name, input } = block;
      // An empty object says that the input follows.
      yield* toolCalls.piece(SCOPE, { ids: [id], index: event["index"], name });
      if (saysSomething(input))
        yield* toolCalls.presume(SCOPE, { ids: [id], index: event["index"], args: input });
    } else if (TOOL_RESULT.test(type)) {
      yield chunks.toolResult({
        toolCallId: toolCalls.idOf(block["tool_use_id"]) ?? firstText(block["tool_use_id"]) ?? "",
        name: toolCalls.nameOf(block["tool_use_id"]) ?? type.replace(/_tool_result$/, ""),
        result: block["content"],
        isError: block["is_error"] === true || String(recordOf(block["content"])["type"]).endsWith("_error"),
      });
    } else yield* this.#parts(block);
  }

  *#blockDelta(place: string, event: Told): Generator<ChunkDraft> {
    const { chunks, toolCalls } = this.#answer;
    const index = event["index"];
    const delta = recordOf(event["delta"]);
    const { type, partial_json: json, citation } = delta;
    const isOfTool = TOOL_USE.test(this.#open.get(place) ?? "");
    if (type === "input_json_delta" || (type === undefined && json !== undefined)) {
      yield* toolCalls.piece(SCOPE, { index, args: json });
    } else if (type === "citations_delta") yield chunks.event("citation", { citation: toJson(citation) });
    else if (isOfTool && isText(delta["text"]) && type === "text_delta") {
      // Compatible servers name the pieces of an input after those of text.
      yield* toolCalls.piece(SCOPE, { index, args: delta["text"] });
    } else yield* this.#parts(delta);
  }

  *#blockStop(place: string, index: unknown): Generator<ChunkDraft> {
    if (TOOL_USE.test(this.#open.get(place) ?? "")) yield* this.#answer.toolCalls.end(SCOPE, { index });
    this.#open.delete(place);
  }

  *#parts(block: Told): Generator<ChunkDraft> {
    const { chunks } = this.#answer;
    for (const part of contentParts(block)) {
      if (part.kind === "tool") yield chunks.unknown("tool", part.block);
      else yield* chunks.content(part);
    }
  }

  /** Anthropic counts what came from the cache, or went into it, apart from the input. */
  #count(usage: Told): void {
    for (const [name, value] of Object.entries(usage))
      if (typeof value === "number") this.#usage[name] = value;
    const count = (name: string): number | null => {
      const value = this.#usage[name];
      return typeof value === "number" ? value : null;
    };
    const [input, cached] = [count("input_tokens"), count("cache_read_input_tokens")];
    const told = usageOf({
      input: input === null ? null : input + (cached ?? 0) + (count("cache_creation_input_tokens") ?? 0),
      output: count("output_tokens"),
      cached,
    });
    this.#answer.costs(told);
  }
}

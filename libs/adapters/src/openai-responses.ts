import type { ChunkDraft } from "@sluice/core";
import type { ResponseStreamEvent } from "openai/resources/responses/responses";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import { scopeOf, type Answer } from "./answer.ts";
import { contentParts, textOf } from "./content-parts.ts";
import { firstText, isText, listOf, recordOf, saysSomething, toJson } from "./json-value.ts";
import type { Source } from "./read-source.ts";
import { reportIn, reportOf } from "./server-report.ts";
import { brokenOff, serverFailure } from "./source-failure.ts";
import { openAiUsage } from "./token-usage.ts";
import { ToldTexts } from "./told-texts.ts";
import type { CallPiece } from "./call-record.ts";

export type { AdapterOptions } from "./adapt.ts";

/** @param stream what OpenAI's `client.responses.create({ stream: true, … })` answers with, awaited or not */
export function fromOpenAiResponses(
  stream: Source<ResponseStreamEvent>,
  options: AdapterOptions = {},
): AsyncGenerator<ChunkDraft, void, undefined> {
  const settings = { ...options, defaultSource: "openai" };
  return adapt<unknown>(stream, settings, (answer) => new ResponseMapping(answer));
}

type Told = Record<string, unknown>;

const SCOPE = scopeOf(0);

/** Members of a tool's item that its call has told already. */
const TOLD_BY_CALL = new Set(["id", "type", "status", "call_id", "name", "arguments", "input", "code"]);

/** Tools that the server runs itself, so that their items have the results. */
const RUN_BY_SERVER = /^(web_search|file_search|code_interpreter|mcp|image_generation)_call$/;

/** Events that only say that something is in progress, or repeat what others tell. */
const PROGRESS =
  /\.(created|queued|in_progress|searching|generating|interpreting|completed|done|added|partial_image|failed)$|^(ping|keepalive|keep-alive|heartbeat)$|^codex\./;

const CALL_DELTA =
  /\.(function_call_arguments|mcp_call_arguments|custom_tool_call_input|code_interpreter_call_code)\.delta$/;
const CALL_DONE =
  /\.(function_call_arguments|mcp_call_arguments|custom_tool_call_input|code_interpreter_call_code)\.done$/;

const TEXT_KINDS = ["text", "refusal", "reasoning"] as const;
type TextKind = (typeof TEXT_KINDS)[number];

/** Events that have text, and what it is. */
const TEXT_EVENTS: readonly (readonly [RegExp, TextKind])[] = [
  [/\.(output_text|audio\.transcript|output_audio_transcript)\.(delta|done)$/, "text"],
  [/\.refusal\.(delta|done)$/, "refusal"],
  [/\.(reasoning|reasoning_text|reasoning_summary|reasoning_summary_text)\.(delta|done)$/, "reasoning"],
];

class ResponseMapping implements Mapping<unknown> {
  readonly #answer: Answer;
  readonly #told = new ToldTexts();
  readonly #citations = new Set<string>();
  /** Results and files of these items were told. */
  readonly #itemsDone = new Set<string>();

  constructor(answer: Answer) {
    this.#answer = answer;
  }

  *take(item: unknown): Generator<ChunkDraft> {
    const event = recordOf(item);
    const report = reportIn(item);
    if (report !== null) throw serverFailure(report);
    for (const chunk of this.#event(event)) {
      this.#answer.see(0, true);
      yield chunk;
    }
    if (isText(event["type"])) this.#end(event["type"], recordOf(event["response"]));
    yield* this.#finish(event);
  }

  finish(): Iterable<ChunkDraft> {
    return this.#answer.end();
  }

  *#event(event: Told): Generator<ChunkDraft> {
    const type = firstText(event["type"]) ?? "";
    const { toolCalls, chunks } = this.#answer;
    const ids = [event["item_id"], event["call_id"]];
    const index = event["output_index"];
    const [, kind] = TEXT_EVENTS.find(([pattern]) => pattern.test(type)) ?? [];
    if (kind !== undefined) yield* this.#text(kind, event);
    else if (CALL_DELTA.test(type)) yield* toolCalls.piece(SCOPE, { ids, index, args: event["delta"] });
    else if (CALL_DONE.test(type)) yield* this.#callDone({ ids, index, name: event["name"] }, event);
    else if (type.endsWith(".annotation.added")) yield* this.#citation(event["annotation"]);
    else if (type === "response.output_item.added") yield* this.#itemAdded(recordOf(event["item"]), index);
    else if (type === "response.output_item.done") yield* this.#itemDone(recordOf(event["item"]), index);
    else if (!PROGRESS.test(type) && !isEnd(type) && saysSomething(event)) {
      yield chunks.unknown(type === "" ? "event" : type, event);
    }
  }

  /** Servers that don't stream tell it only when it is done; those that do tell the whole once more. */
  *#text(kind: TextKind, event: Told): Generator<ChunkDraft> {
    const { item_id, output_index, content_index, summary_index } = event;
    const names = namesOf(kind, item_id, output_index, content_index ?? summary_index);
    const delta = textOf(event["delta"]);
    if (delta !== "") this.#told.add(names, delta);
    const whole = delta === "" ? textOf(event["text"] ?? event["refusal"] ?? event["transcript"]) : "";
    yield* this.#answer.chunks.content({ kind, text: delta + this.#told.restOf(names, whole) });
  }

  *#callDone(piece: CallPiece, event: Told): Generator<ChunkDraft> {
    yield* this.#answer.toolCalls.presume(SCOPE, { ...piece, ...argumentsOf(event) });
  }

  *#itemAdded(item: Told, index: unknown): Generator<ChunkDraft> {
    for (const kind of TEXT_KINDS) this.#told.forget(namesOf(kind, null, index, 0)[1] ?? "");
    if (!isToolCall(item)) return;
    yield* this.#answer.toolCalls.piece(SCOPE, { ids: idsOf(item), index, name: nameOf(item) });
  }

  /** @param claimed where the item stands in the whole response */
  *#itemDone(item: Told, index: unknown, claimed?: Set<object>): Generator<ChunkDraft> {
    const { chunks, toolCalls } = this.#answer;
    const type = String(item["type"]);
    if (isToolCall(item)) {
      yield* toolCalls.whole(SCOPE, { ids: idsOf(item), index, name: nameOf(item), ...argumentsOf(item) });
    } else if (type === "message") yield* this.#message(item, index, claimed);
    else if (type === "reasoning") yield* this.#reasoning(item, index, claimed);
    const key = firstText(item["id"], item["call_id"]) ?? `${type} ${String(index)}`;
    if (this.#itemsDone.has(key)) return;
    this.#itemsDone.add(key);
    if (type === "image_generation_call") {
      if (isText(item["result"])) yield* chunks.file(mediaTypeOf(item), item["result"], key);
    } else if (RUN_BY_SERVER.test(type)) yield this.#resultOf(item);
    else if (type.endsWith("_output")) {
      yield chunks.toolResult({
        toolCallId: toolCalls.idOf(item["call_id"]) ?? firstText(item["call_id"]) ?? "",
        name: toolCalls.nameOf(item["call_id"]),
        result: item["output"],
      });
    } else if (!isToolCall(item) && type !== "message" && type !== "reasoning" && saysSomething(item)) {
      yield chunks.unknown(type, item);
    }
  }

  /** Tools that OpenAI runs itself have their results in the item of the call. */
  #resultOf(item: Told): ChunkDraft {
    const { toolCalls, chunks } = this.#answer;
    const ids = idsOf(item);
    const told = Object.entries(item).filter(([member]) => !TOLD_BY_CALL.has(member));
    return chunks.toolResult({
      toolCallId: toolCalls.idOf(...ids) ?? firstText(...ids) ?? "",
      name: toolCalls.nameOf(...ids) ?? nameOf(item),
      result: Object.fromEntries(told),
      isError: saysSomething(item["error"]),
    });
  }

  *#message(item: Told, index: unknown, claimed?: Set<object>): Generator<ChunkDraft> {
    for (const [place, block] of listOf(item["content"]).entries()) {
      for (const part of contentParts(block)) {
        if (part.kind === "citation") yield* this.#citation(part.citation);
        else if (part.kind === "text" || part.kind === "refusal") {
          const names = namesOf(part.kind, item["id"], index, place);
          yield* this.#restOf(part.kind, names, part.text, claimed);
        } else if (part.kind !== "tool") yield* this.#answer.chunks.content(part);
      }
    }
  }

  *#reasoning(item: Told, index: unknown, claimed?: Set<object>): Generator<ChunkDraft> {
    for (const list of [item["summary"], item["content"]]) {
      for (const [place, block] of listOf(list).entries()) {
        yield* this.#restOf(
          "reasoning",
          namesOf("reasoning", item["id"], index, place),
          textOf(block),
          claimed,
        );
      }
    }
  }

  *#restOf(
    kind: TextKind,
    names: (string | null)[],
    whole: string,
    claimed: Set<object> | undefined,
  ): Generator<ChunkDraft> {
    yield* this.#answer.chunks.content({ kind, text: this.#told.restOf(names, whole, claimed) });
  }

  *#citation(annotation: unknown): Generator<ChunkDraft> {
    const citation = toJson(annotation);
    const key = JSON.stringify(citation);
    if (!saysSomething(citation) || this.#citations.has(key)) return;
    this.#citations.add(key);
    yield this.#answer.chunks.event("citation", { citation });
  }

  /** @throws SourceFailure where the response has failed */
  #end(type: string, response: Told): void {
    const { error, status } = response;
    if (type === "response.failed" || type === "response.cancelled" || saysSomething(error)) {
      const said = saysSomething(error)
        ? { error }
        : { error: { message: `the response is ${firstText(status) ?? "failed"}` } };
      throw serverFailure({ ...reportOf(said), said: saysSomething(error) ? error : response });
    }
  }

  *#finish(event: Told): Generator<ChunkDraft> {
    const response = recordOf(event["response"]);
    this.#answer.named(response["model"]);
    this.#answer.costs(openAiUsage(response["usage"]));
    const type = String(event["type"]);
    if (!isEnd(type)) return;
    // What no event of its own has told; after those it is told already.
    const claimed = new Set<object>();
    for (const [index, item] of listOf(response["output"]).entries()) {
      yield* this.#itemDone(recordOf(item), index, claimed);
    }
    this.#answer.see(0, false);
    const { reason } = recordOf(response["incomplete_details"]);
    const fallback = type === "response.incomplete" ? "incomplete" : "completed";
    const status = firstText(response["status"]) ?? fallback;
    if (status === "in_progress" || status === "queued") throw brokenOff();
    yield* this.#answer.finish(0, firstText(reason) ?? status);
  }
}

/** Finds a call by its item and by its place: either may be left out, or change. */
function namesOf(kind: TextKind, item: unknown, index: unknown, part: unknown): (string | null)[] {
  const place = typeof part === "number" ? part : 0;
  return [
    isText(item) ? `${kind} of ${item} ${place}` : null,
    typeof index === "number" ? `${kind} at ${index} ${place}` : null,
  ];
}

function isEnd(type: string): boolean {
  return /^response\.(completed|incomplete|done|failed|cancelled)$/.test(type);
}

function isToolCall(item: Told): boolean {
  return String(item["type"]).endsWith("_call");
}

/** The id by which results refer to the call comes first: the item's own where OpenAI runs the tool. */
function idsOf(item: Told): unknown[] {
  return [item["call_id"], item["id"]];
}

function nameOf(item: Told): string | null {
  return (
    firstText(item["name"]) ??
    (item["type"] === "function_call" || item["type"] === "custom_tool_call" ? null : firstText(item["type"]))
  );
}

/** Functions have JSON; the input of other tools is text; what the caller is to do stands in `action` or `operation`. */
function argumentsOf(item: Told): Pick<CallPiece, "args" | "text"> {
  const { arguments: args, input, code, action, operation } = item;
  if (args !== undefined) return { args };
  const text = input ?? code;
  if (typeof text === "string") return { text };
  return { args: text ?? (RUN_BY_SERVER.test(String(item["type"])) ? undefined : (action ?? operation)) };
}

function mediaTypeOf(item: Told): string {
  return `image/${firstText(item["output_format"]) ?? "png"}`;
}

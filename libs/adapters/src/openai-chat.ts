import type { ChunkDraft } from "@sluice/core";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import { scopeOf, type Answer } from "./answer.ts";
import { contentParts, textOf, type ContentPart } from "./content-parts.ts";
import { firstText, isText, listOf, recordOf, saysSomething, toJson } from "./json-value.ts";
import type { Source } from "./read-source.ts";
import { reportIn } from "./server-report.ts";
import { serverFailure } from "./source-failure.ts";
import { openAiUsage } from "./token-usage.ts";
import { ToldTexts } from "./told-texts.ts";
import type { CallPiece } from "./call-record.ts";

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
  return adapt<unknown>(stream, { ...options, defaultSource: "openai" }, (answer) => new ChatMapping(answer));
}

type Told = Record<string, unknown>;

/** Members by which a piece is known to be none of the answer where it has no choices. */
const SILENT_PARTS = new Set(["ping", "keep-alive", "keepalive", "heartbeat"]);

/** Members of a piece that say nothing of the answer itself. */
const PART_FACTS = new Set([
  "id",
  "object",
  "created",
  "model",
  "system_fingerprint",
  "service_tier",
  "usage",
  "type",
]);

/** Members of a delta that are read below, or are facts about it, signatures and tokens. */
const KNOWN_IN_DELTA = new Set([
  "role",
  "name",
  "content",
  "text",
  "refusal",
  "tool_calls",
  "function_call",
  "reasoning",
  "reasoning_content",
  "reasoning_text",
  "reasoning_details",
  "thinking",
  "thinking_blocks",
  "thought",
  "images",
  "annotations",
  "citations",
  "audio",
  "extra_content",
  "provider_specific_fields",
  "reasoning_opaque",
  "reasoning_signature",
  "signature",
  "thought_signature",
  "encrypted_content",
  "token_ids",
  "tokens",
  "logprobs",
  "padding",
  "obfuscation",
  "finish_reason",
  "stop_reason",
  "index",
  "id",
  "type",
  "object",
]);

class ChatMapping implements Mapping<unknown> {
  readonly #answer: Answer;
  readonly #told = new ToldTexts();
  /** Where choices have said their text so far. */
  readonly #saidIn = new Map<number, "delta" | "message">();
  readonly #citations = new Set<string>();

  constructor(answer: Answer) {
    this.#answer = answer;
  }

  *take(item: unknown): Generator<ChunkDraft> {
    const report = reportIn(item);
    if (report !== null) throw serverFailure(report);
    for (const part of Array.isArray(item) ? item : [item]) yield* this.#takePart(recordOf(part));
  }

  finish(): Iterable<ChunkDraft> {
    return this.#answer.end();
  }

  *#takePart(part: Told): Generator<ChunkDraft> {
    const { choices, model, usage, citations, x_groq: groq } = part;
    this.#answer.named(model);
    this.#answer.costs(openAiUsage(usage ?? recordOf(groq)["usage"]));
    // Perplexity tells all of them with every piece.
    yield* this.#citationsOf(citations);
    for (const choice of listOf(choices)) yield* this.#takeChoice(recordOf(choice));
    if (choices !== undefined || SILENT_PARTS.has(String(part["type"]))) return;
    const facts = Object.entries(part).filter(
      ([member]) => !PART_FACTS.has(member) && member !== "citations",
    );
    if (facts.some(([, value]) => saysSomething(value))) yield this.#answer.chunks.unknown("part", part);
  }

  *#takeChoice(choice: Told): Generator<ChunkDraft> {
    const report = reportIn({ error: choice["error"], choices: [] });
    if (report !== null) throw serverFailure(report);
    const index = typeof choice["index"] === "number" ? choice["index"] : 0;
    this.#answer.see(index, false);
    this.#answer.costs(openAiUsage(choice["usage"]));
    const reason = choice["finish_reason"] ?? choice["stop_reason"];
    let says = false;
    for (const chunk of this.#said(index, choice, isText(reason))) {
      says = true;
      yield chunk;
    }
    if (says) this.#answer.see(index, true);
    yield* this.#answer.finish(index, choice["finish_reason"]);
  }

  *#said(index: number, choice: Told, isLast: boolean): Generator<ChunkDraft> {
    const { delta, message, text } = choice;
    if (typeof delta === "string") yield* this.#delta(index, { content: delta });
    else yield* this.#delta(index, recordOf(delta));
    yield* this.#delta(index, { content: text });
    if (saysSomething(message)) yield* this.#message(index, recordOf(message), isLast);
  }

  *#delta(index: number, delta: Told): Generator<ChunkDraft> {
    const isThought = recordOf(recordOf(delta["extra_content"])["google"])["thought"] === true;
    yield* this.#reasoning(index, delta);
    for (const part of contentParts(delta["content"])) {
      yield* this.#part(index, isThought && part.kind === "text" ? { ...part, kind: "reasoning" } : part);
    }
    if (isText(delta["refusal"])) yield* this.#part(index, { kind: "refusal", text: delta["refusal"] });
    for (const call of callsOf(delta)) yield* this.#answer.toolCalls.piece(scopeOf(index), call);
    yield* this.#rest(index, delta);
  }

  /** Reasoning isn't of OpenAI's interface; some servers say the same under several names. */
  *#reasoning(index: number, delta: Told): Generator<ChunkDraft> {
    const { reasoning_content, reasoning, reasoning_text, thinking, reasoning_details, thinking_blocks } =
      delta;
    const names = [
      reasoning_content,
      reasoning,
      reasoning_text,
      thinking,
      reasoning_details,
      thinking_blocks,
    ];
    const text = names.map((value) => textOf(value)).find(isText);
    if (text !== undefined) yield* this.#part(index, { kind: "reasoning", text });
  }

  /** Members that deltas may have beside text and tools. */
  *#rest(index: number, delta: Told): Generator<ChunkDraft> {
    const { images, annotations, citations, audio } = delta;
    for (const part of contentParts(images)) yield* this.#part(index, part);
    yield* this.#citationsOf(annotations);
    yield* this.#citationsOf(citations);
    const { transcript, ...sound } = recordOf(audio);
    if (isText(transcript)) yield* this.#part(index, { kind: "text", text: transcript });
    if (isText(sound["data"])) yield this.#answer.chunks.unknown("audio", sound);
    for (const [member, value] of Object.entries(delta)) {
      if (KNOWN_IN_DELTA.has(member) || !saysSomething(value)) continue;
      yield this.#answer.chunks.unknown(member, { [member]: value });
    }
  }

  /** A message in place of deltas is a piece, too; after deltas it repeats them, or tells what they left out. */
  *#message(index: number, message: Told, isLast: boolean): Generator<ChunkDraft> {
    const saidIn = this.#saidIn.get(index);
    const text = textOf(message["content"]);
    if (text !== "" && (saidIn === "delta" || (saidIn === "message" && isLast))) {
      const rest = this.#told.restOf([String(index)], text);
      if (rest !== "") yield* this.#tell(index, { kind: "text", text: rest });
    } else {
      yield* this.#delta(index, { ...message, tool_calls: undefined, function_call: undefined });
      if (text !== "") this.#saidIn.set(index, "message");
    }
    for (const call of callsOf(message)) yield* this.#answer.toolCalls.whole(scopeOf(index), call);
  }

  *#part(index: number, part: ContentPart): Generator<ChunkDraft> {
    if (part.kind === "tool") {
      const { id, name, input, args, arguments: json } = part.block;
      const piece = { ids: [id], name, args: input ?? args ?? json };
      yield* this.#answer.toolCalls.piece(scopeOf(index), piece);
      return;
    }
    if (part.kind === "text") {
      this.#told.add([String(index)], part.text);
      this.#saidIn.set(index, "delta");
    }
    yield* this.#tell(index, part);
  }

  /** Never Text of another choice than the first: joined with that one's it would be neither answer. */
  #tell(index: number, part: Exclude<ContentPart, { kind: "tool" }>): Iterable<ChunkDraft> {
    const { chunks } = this.#answer;
    if (index > 0 && (part.kind === "text" || part.kind === "refusal"))
      return chunks.choiceText(index, part.text);
    if (index > 0 && part.kind === "reasoning") return chunks.reasoning(part.text, index);
    return chunks.content(part);
  }

  *#citationsOf(value: unknown): Generator<ChunkDraft> {
    for (const citation of listOf(value)) {
      const json = toJson(citation);
      const key = JSON.stringify(json);
      if (this.#citations.has(key)) continue;
      this.#citations.add(key);
      yield this.#answer.chunks.event("citation", { citation: json });
    }
  }
}

/** Reads tool calls from a list, alone, or from the older form of a single function. */
function callsOf({ tool_calls, function_call }: Told): CallPiece[] {
  const calls = listOf(tool_calls).map(recordOf);
  if (calls.length === 0 && saysSomething(function_call))
    return [pieceOf({ index: 0, function: function_call })];
  return calls.map(pieceOf);
}

function pieceOf(call: Told): CallPiece {
  const { id, index } = call;
  const inner = recordOf(call["function"] ?? call["custom"] ?? call);
  return {
    ids: [id],
    index,
    name: firstText(inner["name"], call["name"]),
    args: inner["arguments"] ?? inner["input"] ?? inner["parameters"] ?? call["arguments"],
  };
}

import type { ChunkDraft } from "@sluice/core";
import type { Answer } from "./answer.ts";
import { contentParts, textOf, type ContentPart } from "./content-parts.ts";
import { readFinishReason } from "./finish-reason.ts";
import { firstText, isText, listOf, recordOf, saysSomething, toJson } from "./json-value.ts";
import { sumOf, usageOf, type TokenUsage } from "./token-usage.ts";
import { ToldTexts } from "./told-texts.ts";

type Told = Record<string, unknown>;

/** Speaker of a message: a model in pieces, a model that doesn't stream, or a node that has it from an unknown source. */
export type Speaker = "pieces" | "model" | "node";

/** Content that came in one go. */
interface Run {
  text: string;
  reasoning: string;
  speaker: Speaker;
  /** Where in the graph it was said: the path of the node that runs; empty: not known. */
  place: string;
  /** Where a whole message has repeated it. */
  readonly repeatedAt: Set<string>;
}

/**
 * Reads what models say in LangChain's messages, of as many runs of models as an agent needs. Messages are read by their
 * members, as they come from any version of the library, and over the network from LangGraph's server.
 */
export class MessageReader {
  readonly #answer: Answer;
  readonly #texts = new ToldTexts();
  readonly #thoughts = new ToldTexts();
  readonly #runs = new Map<string, Run>();
  readonly #citations = new Set<string>();

  constructor(answer: Answer) {
    this.#answer = answer;
  }

  /** @param run tells one model's answer from another's, which may come between its pieces */
  *piece(run: string, message: unknown, place = ""): Generator<ChunkDraft> {
    const told = recordOf(message);
    yield* this.#content(this.#runOf(run, "pieces", place), run, told, false);
    for (const call of listOf(told["tool_call_chunks"]).map(recordOf)) {
      const { index, id, name, args } = call;
      yield* this.#answer.toolCalls.piece(run, { ids: [id], index, name, args });
    }
  }

  /** A message that a model, or a node, gives as a whole: what of it was told in pieces is not told again. */
  *whole(run: string, message: unknown, speaker: Speaker = "model", place = ""): Generator<ChunkDraft> {
    const told = recordOf(message);
    const isNew = !this.#runs.has(run);
    yield* this.#content(this.#runOf(run, speaker, place), run, told, !isNew);
    const calls = listOf(told["tool_calls"]).map(recordOf);
    const invalid = listOf(told["invalid_tool_calls"]).map(recordOf);
    yield* this.#answer.toolCalls.wholes(run, [
      ...calls.map(({ id, name, args }) => ({ ids: [id], name, args: args ?? {} })),
      ...invalid.map(({ id, name, args }) => ({
        ids: [id],
        name: name ?? "invalid",
        text: firstText(args) ?? "",
      })),
    ]);
  }

  /** Ends a run after its last piece: completes its tool calls, adds up what it cost. */
  *end(run: string, message: unknown): Generator<ChunkDraft> {
    yield* this.#answer.toolCalls.completeAll(run);
    this.count(message);
  }

  /** Ends the run that made this call: the tool that answers it has all of it. */
  *endCaller(callId: unknown): Generator<ChunkDraft> {
    const run = this.#answer.toolCalls.scopeOf(callId);
    if (run !== null) yield* this.#answer.toolCalls.completeAll(run);
  }

  isKnown(run: string): boolean {
    return this.#runs.has(run);
  }

  /**
   * Rule 6: whether a node's message only repeats what a model has told there: a node that asks a model and returns its
   * text, or its calls. Each run is repeated once at a place, so that two equal answers are two.
   */
  repeats(message: unknown, place: string): boolean {
    const { content, tool_calls } = recordOf(message);
    const text = textOf(content).trim();
    const reasoning = reasoningOf(recordOf(message), [...contentParts(content)]);
    const calls = listOf(tool_calls).map(recordOf);
    const pieces = calls.map(({ id, name, args }) => ({ ids: [id], name, args: args ?? {} }));
    const isThoughtAlone = text === "" && pieces.length === 0;
    if (isThoughtAlone && reasoning === "") return false;
    const { toolCalls } = this.#answer;
    const found = [...this.#runs].find(
      ([run, known]) =>
        known.speaker !== "node" &&
        known.text.trim() === text &&
        (!isThoughtAlone || known.reasoning === reasoning) &&
        !known.repeatedAt.has(place) &&
        isWithin(known.place, place) &&
        toolCalls.hasTold(run, pieces),
    );
    found?.[1].repeatedAt.add(place);
    // Calls that are known by their ids were told, whatever else was.
    return found !== undefined || (text === "" && !isThoughtAlone && toolCalls.hasTold("", pieces));
  }

  /** True once its run has said all but, maybe, what it cost. */
  isLast(message: unknown): boolean {
    return finishReasonOf(message) !== null;
  }

  /** @throws SourceFailure where its finish reason means that the model failed */
  count(message: unknown): void {
    const { usage_metadata, response_metadata } = recordOf(message);
    const facts = recordOf(response_metadata);
    const { chunks } = this.#answer;
    chunks.model = firstText(facts["model_name"], facts["model"], facts["model_id"]) ?? chunks.model;
    chunks.finishReason = finishReasonOf(message) ?? chunks.finishReason;
    const usage = tokenUsageOf(recordOf(usage_metadata));
    if (usage !== null) chunks.usage = sumOf(chunks.usage, usage);
  }

  toolMessage(message: unknown): ChunkDraft {
    const { tool_call_id: id, name, content, status } = recordOf(message);
    return this.#answer.chunks.toolResult({
      toolCallId: this.#answer.toolCalls.idOf(id) ?? firstText(id) ?? "",
      name: firstText(name),
      result: content ?? message,
      isError: status === "error",
    });
  }

  /** @param isRepeat a whole message after its pieces */
  *#content(known: Run, run: string, message: Told, isRepeat: boolean): Generator<ChunkDraft> {
    const parts = [...contentParts(message["content"])];
    const reasoning = reasoningOf(message, parts);
    if (isRepeat) {
      yield* this.#answer.chunks.reasoning(this.#thoughts.restOf([run], reasoning));
      const text = textIn(parts, "text");
      yield* this.#answer.chunks.text(this.#texts.restOf([run], text));
      if (text.length > known.text.length) known.text = text;
    } else {
      known.reasoning += reasoning;
      if (!parts.some(({ kind }) => kind === "reasoning")) yield* this.#thought(run, reasoning);
    }
    for (const part of parts) yield* this.#part(run, known, part, isRepeat);
  }

  *#part(run: string, known: Run, part: ContentPart, isRepeat: boolean): Generator<ChunkDraft> {
    const { chunks } = this.#answer;
    // Calls come in members of their own, too.
    if (part.kind === "tool") return;
    if (part.kind === "reasoning") {
      if (!isRepeat) yield* this.#thought(run, part.text);
    } else if (part.kind === "text") {
      if (isRepeat) return;
      known.text += part.text;
      this.#texts.add([run], part.text);
      yield* chunks.text(part.text);
    } else if (part.kind === "citation") {
      const key = `${run} ${JSON.stringify(part.citation)}`;
      if (this.#citations.has(key) || !saysSomething(part.citation)) return;
      this.#citations.add(key);
      yield* chunks.content(part);
    } else {
      const key = `${run} ${JSON.stringify(toJson(part))}`;
      if (isRepeat && this.#citations.has(key)) return;
      this.#citations.add(key);
      yield* chunks.content(part);
    }
  }

  *#thought(run: string, text: string): Generator<ChunkDraft> {
    if (text === "") return;
    this.#thoughts.add([run], text);
    yield* this.#answer.chunks.reasoning(text);
  }

  #runOf(run: string, speaker: Speaker, place: string): Run {
    let known = this.#runs.get(run);
    if (known === undefined) {
      known = { text: "", reasoning: "", speaker, place, repeatedAt: new Set() };
      this.#runs.set(run, known);
    }
    return known;
  }
}

/** A graph that runs within a node has the node's path before its own. */
function isWithin(inner: string, outer: string): boolean {
  return inner === "" || outer === "" || inner === outer || inner.startsWith(`${outer}|`);
}

/** Some say the same in the content and beside it. */
function reasoningOf(message: Told, parts: readonly ContentPart[]): string {
  const { reasoning_content, reasoning } = recordOf(message["additional_kwargs"]);
  return textIn(parts, "reasoning") || textOf(reasoning_content ?? reasoning);
}

function textIn(parts: readonly ContentPart[], kind: "text" | "reasoning"): string {
  return parts.map((part) => (part.kind === kind ? part.text : "")).join("");
}

/** @throws SourceFailure where it means that the model failed */
function finishReasonOf(message: unknown): string | null {
  const facts = recordOf(recordOf(message)["response_metadata"]);
  const stop = recordOf(facts["messageStop"])["stopReason"];
  const reasons = [
    facts["finish_reason"],
    facts["stop_reason"],
    facts["finishReason"],
    facts["done_reason"],
    stop,
  ];
  return reasons.map(readFinishReason).find((reason) => isText(reason)) ?? null;
}

function tokenUsageOf(usage: Told): TokenUsage | null {
  return usageOf({
    input: usage["input_tokens"],
    output: usage["output_tokens"],
    cached: recordOf(usage["input_token_details"])["cache_read"],
    reasoning: recordOf(usage["output_token_details"])["reasoning"],
  });
}

import type { ChunkDraft } from "@sluice/core";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import type { Answer } from "./answer.ts";
import { firstText, isText, recordOf, saysSomething, toJson } from "./json-value.ts";
import { MessageReader } from "./langchain-message.ts";
import type { Source } from "./read-source.ts";
import { reportOf } from "./server-report.ts";
import { serverFailure, SourceFailure } from "./source-failure.ts";

export type { AdapterOptions } from "./adapt.ts";

/**
 * @param stream `graph.stream(input, { streamMode: ["messages", "updates", …], signal })`, also with `subgraphs: true`, or
 * `client.runs.stream(…)` of LangGraph's server. Its items name their mode only where `streamMode` is a list
 */
export function fromLangGraph(
  stream: Source<unknown>,
  options: AdapterOptions = {},
): AsyncGenerator<ChunkDraft, void, undefined> {
  const settings = { ...options, defaultSource: "langgraph", what: "graph" };
  return adapt(stream, settings, (answer) => new GraphMapping(answer));
}

/** Names of pieces as LangGraph's server uses them. */
const SERVER_TYPES = new Map<unknown, string>([
  ["AIMessageChunk", "ai"],
  ["ToolMessageChunk", "tool"],
]);

/** Modes of which nothing belongs to the answer. */
const SILENT_MODES = new Set([
  "metadata",
  "debug",
  "tasks",
  "checkpoints",
  "end",
  "heartbeat",
  "messages/metadata",
]);

class GraphMapping implements Mapping<unknown> {
  readonly #answer: Answer;
  readonly #messages: MessageReader;
  #wholes = 0;

  constructor(answer: Answer) {
    this.#answer = answer;
    this.#messages = new MessageReader(answer);
  }

  *take(item: unknown): Generator<ChunkDraft> {
    if (!saysSomething(item)) return;
    const { mode, payload } = modeOf(item);
    const { chunks } = this.#answer;
    if (mode === "messages/partial" || mode === "messages/complete") {
      for (const message of Array.isArray(payload) ? payload : [payload]) yield* this.#message(message, {});
    } else if (mode === "messages" || mode === "messages-tuple") {
      const [message, metadata] = Array.isArray(payload) ? (payload as unknown[]) : [payload];
      yield* this.#message(message, recordOf(metadata));
    } else if (mode === "values" || mode === "custom") yield chunks.json(toJson(payload));
    else if (mode === "updates") {
      for (const [node, update] of Object.entries(recordOf(payload))) yield this.#update(node, update);
    } else if (mode === "error") throw serverFailure(reportOf(payload));
    else if (!SILENT_MODES.has(mode) && saysSomething(payload)) yield chunks.unknown(mode, payload);
  }

  /** The graph itself says that it is over: it throws where it fails. */
  finish(): Iterable<ChunkDraft> {
    return this.#answer.complete();
  }

  *#message(message: unknown, metadata: Record<string, unknown>): Generator<ChunkDraft> {
    const { id, type, tool_call_id: callId } = recordOf(message);
    const kind = SERVER_TYPES.get(type) ?? type ?? kindOf(message);
    const place = firstText(metadata["langgraph_checkpoint_ns"], metadata["checkpoint_ns"]) ?? "";
    if (kind === "tool") {
      yield* this.#messages.endCaller(callId);
      yield this.#messages.toolMessage(message);
    } else if (kind === "ai") {
      const run = isText(id) ? id : `at ${place}`;
      if (isPiece(message)) yield* this.#piece(run, message, place);
      else yield* this.#whole(isText(id) ? id : `whole ${this.#wholes++}`, message, metadata, place);
    }
  }

  /** Nodes run beside each other: that one model speaks says nothing of another. */
  *#piece(run: string, message: unknown, place: string): Generator<ChunkDraft> {
    yield* this.#messages.piece(run, message, place);
    // Each piece tells what it adds to the bill.
    if (this.#messages.isLast(message)) yield* this.#messages.end(run, message);
    else this.#messages.count(message);
  }

  *#whole(
    run: string,
    message: unknown,
    metadata: Record<string, unknown>,
    place: string,
  ): Generator<ChunkDraft> {
    // It was told, and its costs with it; maybe not all of it.
    const isKnown = this.#messages.isKnown(run);
    const isOfModel = Object.keys(metadata).some((key) => key.startsWith("ls_"));
    if (!isKnown && !isOfModel && this.#messages.repeats(message, place)) return;
    yield* this.#messages.whole(run, message, isOfModel ? "model" : "node", place);
    if (!isKnown) yield* this.#messages.end(run, message);
  }

  #update(node: string, update: unknown): ChunkDraft {
    const { chunks } = this.#answer;
    if (node === "__interrupt__") return chunks.event("interrupted", { interrupts: toJson(update) });
    return chunks.event("node_completed", { node, update: toJson(update) });
  }
}

/** An item names its mode before what it says, and with `subgraphs` the path of the graph before both. */
function modeOf(item: unknown): { mode: string; payload: unknown } {
  const [mode, payload] = Array.isArray(item) ? (item.slice(-2) as [unknown, unknown]) : [];
  if (typeof mode === "string") return { mode, payload };
  // LangGraph's server has events; of a subgraph's the path follows the mode.
  const { event, data } = recordOf(item);
  if (typeof event === "string") return { mode: event.split("|")[0] ?? event, payload: data };
  const cause = new Error("items without their mode: give streamMode as a list");
  throw new SourceFailure("LLM_ERROR", "the graph failed", { cause });
}

/** Pieces are added up, and so have a way to be. */
function isPiece(message: unknown): boolean {
  const { type, tool_call_chunks, concat } = recordOf(message);
  return type === "AIMessageChunk" || Array.isArray(tool_call_chunks) || typeof concat === "function";
}

function kindOf(message: unknown): unknown {
  const { getType, _getType } = recordOf(message);
  const kind = getType ?? _getType;
  return typeof kind === "function" ? (kind as () => unknown).call(message) : undefined;
}

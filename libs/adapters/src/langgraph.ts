import type { StreamMode } from "@langchain/langgraph";
import type { ChunkDraft } from "@sluice/core";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import type { AnswerChunks } from "./answer-chunks.ts";
import { recordOf, toJson } from "./json-value.ts";
import { MessageReader } from "./langchain-message.ts";
import type { Source } from "./read-source.ts";

export type { AdapterOptions } from "./adapt.ts";

/**
 * @param stream `graph.stream(input, { streamMode: ["messages", "updates", …], signal })`, also with `subgraphs: true`. Its
 * items name their mode only where `streamMode` is a list
 */
export function fromLangGraph(
  stream: Source<unknown>,
  options: AdapterOptions = {},
): AsyncGenerator<ChunkDraft, void, undefined> {
  const settings = { ...options, defaultSource: "langgraph", what: "graph" };
  return adapt(stream, settings, (chunks) => new GraphMapping(chunks));
}

/** As LangGraph's server says what its pieces are. */
const SERVER_TYPES = new Map<unknown, string>([
  ["AIMessageChunk", "ai"],
  ["ToolMessageChunk", "tool"],
]);

class GraphMapping implements Mapping<unknown> {
  readonly #chunks: AnswerChunks;
  readonly #messages: MessageReader;
  /** Ids of the messages of which something was told. */
  readonly #told = new Set<string>();

  constructor(chunks: AnswerChunks) {
    this.#chunks = chunks;
    this.#messages = new MessageReader(chunks);
  }

  take(item: unknown): Iterable<ChunkDraft> {
    const { mode, payload } = modeOf(item);
    if (mode === "messages") return this.#message(Array.isArray(payload) ? payload[0] : payload);
    if (mode === "values" || mode === "custom") return [this.#chunks.json(toJson(payload))];
    if (mode !== "updates") return [];
    return Object.entries(recordOf(payload)).map(([node, update]) => this.#update(node, update));
  }

  *finish(): Generator<ChunkDraft> {
    yield* this.#messages.endAll();
    yield this.#chunks.complete();
  }

  *#message(message: unknown): Generator<ChunkDraft> {
    const { id, type, tool_call_id: callId } = recordOf(message);
    const kind = SERVER_TYPES.get(type) ?? type ?? kindOf(message);
    if (kind === "tool") {
      yield* this.#messages.endCaller(callId);
      yield this.#messages.toolMessage(message);
    } else if (kind === "ai") yield* this.#answer(String(id), message);
  }

  /** Nodes run beside each other: that one model speaks says nothing of another. */
  *#answer(run: string, message: unknown): Generator<ChunkDraft> {
    const isKnown = this.#told.has(run);
    this.#told.add(run);
    if (this.#messages.isWhole(message)) {
      // It was told in pieces, and its costs with them.
      if (isKnown) return;
      yield* this.#messages.whole(run, message);
    } else yield* this.#messages.piece(run, message);
    // Each piece tells what it adds to the bill.
    if (this.#messages.isLast(message)) yield* this.#messages.end(run, message);
    else this.#messages.count(message);
  }

  #update(node: string, update: unknown): ChunkDraft {
    if (node === "__interrupt__") return this.#chunks.event("interrupted", { interrupts: toJson(update) });
    return this.#chunks.event("node_completed", { node, update: toJson(update) });
  }
}

function modeOf(item: unknown): { mode: StreamMode; payload: unknown } {
  // With `subgraphs` the path of the graph stands before them.
  const [mode, payload] = Array.isArray(item) ? (item.slice(-2) as [StreamMode, unknown]) : [];
  if (typeof mode === "string") return { mode, payload };
  throw new Error("items without their mode: give streamMode as a list");
}

function kindOf(message: unknown): unknown {
  const { getType } = recordOf(message);
  return typeof getType === "function" ? getType.call(message) : undefined;
}

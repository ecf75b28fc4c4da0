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

class GraphMapping implements Mapping<unknown> {
  readonly #chunks: AnswerChunks;
  readonly #messages: MessageReader;
  /** The message that a model is writing. */
  #run: string | null = null;

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
    yield* this.#endRun();
    yield this.#chunks.complete();
  }

  *#message(message: unknown): Generator<ChunkDraft> {
    const { id, type } = recordOf(message);
    const kind = type ?? kindOf(message);
    if (kind === "tool") {
      yield* this.#endRun();
      yield this.#messages.toolMessage(message);
    } else if (kind === "ai") {
      const run = String(id);
      if (run !== this.#run) yield* this.#endRun();
      this.#run = run;
      yield* this.#messages.piece(run, message);
      // Each piece tells what it adds to the bill.
      this.#messages.count(message);
    }
  }

  #update(node: string, update: unknown): ChunkDraft {
    if (node === "__interrupt__") return this.#chunks.event("interrupted", { interrupts: toJson(update) });
    return this.#chunks.event("node_completed", { node, update: toJson(update) });
  }

  *#endRun(): Generator<ChunkDraft> {
    if (this.#run !== null) yield* this.#messages.end(this.#run, null);
    this.#run = null;
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

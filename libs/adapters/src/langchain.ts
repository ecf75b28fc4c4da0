import type { StreamEvent } from "@langchain/core/types/stream";
import type { ChunkDraft } from "@sluice/core";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import type { AnswerChunks } from "./answer-chunks.ts";
import { isText, recordOf, toJson } from "./json-value.ts";
import { MessageReader } from "./langchain-message.ts";
import type { Source } from "./read-source.ts";

export type { AdapterOptions } from "./adapt.ts";

/**
 * @param events of a runnable, a chain, an agent or a graph: `runnable.streamEvents(input, { version: "v2", signal })`. What
 * doesn't belong to the answer is left out there, by `includeTags` and the like
 */
export function fromLangChainEvents(
  events: Source<StreamEvent>,
  options: AdapterOptions = {},
): AsyncGenerator<ChunkDraft, void, undefined> {
  const settings = { ...options, defaultSource: "langchain", what: "chain" };
  return adapt(events, settings, (chunks) => new EventMapping(chunks, options.onError));
}

class EventMapping implements Mapping<StreamEvent> {
  readonly #chunks: AnswerChunks;
  readonly #messages: MessageReader;
  readonly #onError: (error: unknown) => void;
  /** Runs of models that have said something; each leaves at its end. */
  readonly #streaming = new Set<string>();

  constructor(chunks: AnswerChunks, onError: (error: unknown) => void = () => undefined) {
    this.#chunks = chunks;
    this.#messages = new MessageReader(chunks);
    this.#onError = onError;
  }

  take(event: StreamEvent): Iterable<ChunkDraft> {
    const { run_id: run, name, data } = event;
    switch (event.event) {
      case "on_chat_model_stream":
        this.#streaming.add(run);
        return this.#messages.piece(run, data.chunk);
      case "on_chat_model_end":
        return this.#modelEnd(run, data.output);
      case "on_llm_stream":
        return this.#completionText(recordOf(data.chunk)["text"]);
      case "on_tool_end":
        return [this.#toolResult(event)];
      case "on_tool_error":
        // What a tool throws is written for its developers.
        this.#onError(data.error);
        return [this.#chunks.toolResult({ toolCallId: run, name, result: "the tool failed", isError: true })];
      case "on_custom_event":
        return [this.#chunks.event(name, toJson(data))];
      case "on_chain_start":
        return isNode(event) ? [this.#chunks.event("node_started", { node: name })] : [];
      case "on_chain_end":
        return isNode(event) ? [this.#chunks.event("node_completed", { node: name })] : [];
      default:
        return [];
    }
  }

  *finish(): Generator<ChunkDraft> {
    yield this.#chunks.complete();
  }

  *#modelEnd(run: string, message: unknown): Generator<ChunkDraft> {
    if (!this.#streaming.delete(run)) yield* this.#messages.whole(run, message);
    yield* this.#messages.end(run, message);
  }

  #completionText(text: unknown): ChunkDraft[] {
    return isText(text) ? [this.#chunks.text(text)] : [];
  }

  /** A tool that a model called answers with a message that names the call; one that a chain calls, with anything. */
  #toolResult({ run_id: run, name, data }: StreamEvent): ChunkDraft {
    const output: unknown = data.output;
    if (isText(recordOf(output)["tool_call_id"])) return this.#messages.toolMessage(output);
    return this.#chunks.toolResult({ toolCallId: run, name, result: output });
  }
}

/** LangGraph runs a node as a chain with the node's name; what runs within it only carries the name along. `__start__` is its own. */
function isNode({ name, metadata }: StreamEvent): boolean {
  return name === recordOf(metadata)["langgraph_node"] && !name.startsWith("__");
}

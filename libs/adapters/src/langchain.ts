import type { StreamEvent } from "@langchain/core/types/stream";
import type { ChunkDraft } from "@sluice/core";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import type { Answer } from "./answer.ts";
import { firstText, isText, listOf, recordOf, toJson } from "./json-value.ts";
import { MessageReader } from "./langchain-message.ts";
import type { Source } from "./read-source.ts";
import { brokenOff } from "./source-failure.ts";

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
  return adapt(events, settings, (answer) => new EventMapping(answer, options.onError));
}

class EventMapping implements Mapping<StreamEvent> {
  readonly #answer: Answer;
  readonly #messages: MessageReader;
  readonly #onError: (error: unknown) => void;
  /** Runs of models that have begun; each leaves at its end. */
  readonly #running = new Set<string>();
  /** Runs of completion models that have said something in pieces. */
  readonly #saidText = new Set<string>();

  constructor(answer: Answer, onError: (error: unknown) => void = () => undefined) {
    this.#answer = answer;
    this.#messages = new MessageReader(answer);
    this.#onError = onError;
  }

  *take(item: StreamEvent): Generator<ChunkDraft> {
    const event = recordOf(item);
    const data = recordOf(event["data"]);
    const [run, name] = [firstText(event["run_id"]) ?? "", firstText(event["name"]) ?? ""];
    const { chunks } = this.#answer;
    switch (event["event"]) {
      case "on_chat_model_start":
      case "on_llm_start":
        this.#running.add(run);
        break;
      case "on_chat_model_stream":
        this.#running.add(run);
        yield* this.#messages.piece(run, data["chunk"]);
        break;
      case "on_chat_model_end":
        this.#running.delete(run);
        yield* this.#messages.whole(run, data["output"]);
        yield* this.#messages.end(run, data["output"]);
        break;
      case "on_llm_stream":
        this.#saidText.add(run);
        yield* chunks.text(firstText(recordOf(data["chunk"])["text"]) ?? "");
        break;
      case "on_llm_end":
        this.#running.delete(run);
        if (!this.#saidText.delete(run)) yield* chunks.text(completionText(data["output"]));
        break;
      case "on_tool_end":
        yield this.#toolResult(run, name, data["output"]);
        break;
      case "on_tool_error":
        // What a tool throws is written for its developers.
        this.#onError(data["error"]);
        yield chunks.toolResult({ toolCallId: run, name, result: "the tool failed", isError: true });
        break;
      case "on_custom_event":
        yield chunks.event(name, toJson(event["data"]));
        break;
      case "on_chain_start":
        if (isNode(event)) yield chunks.event("node_started", { node: name });
        break;
      case "on_chain_end":
        if (isNode(event)) yield chunks.event("node_completed", { node: name });
        break;
      default:
    }
  }

  /** The chain is over, and so is each model that it has asked. */
  *finish(): Generator<ChunkDraft> {
    if (this.#running.size > 0) throw brokenOff();
    yield* this.#answer.complete();
  }

  /** A tool that a model called answers with a message that names the call; one that a chain calls, with anything. */
  #toolResult(run: string, name: string, output: unknown): ChunkDraft {
    if (isText(recordOf(output)["tool_call_id"])) return this.#messages.toolMessage(output);
    return this.#answer.chunks.toolResult({ toolCallId: run, name, result: output });
  }
}

/** Answer of a completion model that doesn't stream. */
function completionText(output: unknown): string {
  const [generation] = listOf(recordOf(output)["generations"]).flat();
  return firstText(recordOf(generation)["text"]) ?? "";
}

/** LangGraph runs a node as a chain with the node's name; what runs within it only carries the name along. `__start__` is its own. */
function isNode({ name, metadata }: Record<string, unknown>): boolean {
  return isText(name) && name === recordOf(metadata)["langgraph_node"] && !name.startsWith("__");
}

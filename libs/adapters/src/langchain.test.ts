import { dispatchCustomEvent } from "@langchain/core/callbacks/dispatch";
import { BaseChatModel } from "@langchain/core/language_models/chat_models";
import {
  AIMessage,
  AIMessageChunk,
  HumanMessage,
  ToolMessage,
  type BaseMessage,
} from "@langchain/core/messages";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import { RunnableLambda } from "@langchain/core/runnables";
import { tool } from "@langchain/core/tools";
import { MessagesAnnotation, StateGraph, type LangGraphRunnableConfig } from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { describe, expect, it, vi } from "vitest";
import { hear } from "../transcripts/heard.ts";
import { fromLangChainEvents } from "./langchain.ts";
import { fromLangGraph } from "./langgraph.ts";

/** A chat model of the real library that says what it is told: the next list of pieces with each call. */
class ScriptedModel extends BaseChatModel {
  readonly #script: AIMessageChunk[][];
  readonly #streams: boolean;

  constructor(script: AIMessageChunk[][], streams = true) {
    super({});
    this.#script = [...script];
    this.#streams = streams;
    // Without it the library streams whatever can be streamed.
    this.disableStreaming = !streams;
  }

  _llmType(): string {
    return "scripted";
  }

  async _generate(): Promise<ChatResult> {
    const pieces = this.#script.shift() ?? [];
    const whole = pieces.reduce((sum, piece) => sum.concat(piece));
    const { content, tool_calls, response_metadata, usage_metadata } = whole;
    const message = Object.assign(new AIMessage(""), {
      content,
      tool_calls,
      response_metadata,
      usage_metadata,
    });
    return { generations: [{ text: "", message }] };
  }

  override async *_streamResponseChunks(
    _messages: BaseMessage[],
    _options: this["ParsedCallOptions"],
    runManager?: Parameters<BaseChatModel["_streamResponseChunks"]>[2],
  ): AsyncGenerator<ChatGenerationChunk> {
    if (!this.#streams) throw new Error("doesn't stream");
    for (const message of this.#script.shift() ?? []) {
      const text = typeof message.content === "string" ? message.content : "";
      const chunk = new ChatGenerationChunk({ message, text });
      yield chunk;
      await runManager?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk });
    }
  }
}

const lastPiece = (id: string, input: number, output: number, reason: string) =>
  Object.assign(new AIMessageChunk({ content: "", id }), {
    usage_metadata: { input_tokens: input, output_tokens: output, total_tokens: input + output },
    response_metadata: { finish_reason: reason, model_name: "scripted-1" },
  });
const call = (args: string, first: object = {}) =>
  new AIMessageChunk({
    content: "",
    id: "run-1",
    tool_call_chunks: [{ index: 0, args, type: "tool_call_chunk", ...first }],
  });

/** The call of a model that writes beside others, piece by piece. */
function writing(name: string): (args: string) => AIMessageChunk {
  let isFirst = true;
  return (args) => {
    const head = isFirst ? { id: `call_${name}`, name: "weather" } : {};
    isFirst = false;
    const piece = { index: 0, args, type: "tool_call_chunk" as const, ...head };
    return new AIMessageChunk({ content: "", id: name, tool_call_chunks: [piece] });
  };
}

/** A graph's stream of these messages. */
async function* saying(...messages: object[]) {
  for (const message of messages) yield ["messages", [message, {}]];
}

/** First thinks and calls a tool, then answers. */
const script = (): AIMessageChunk[][] => [
  [
    new AIMessageChunk({ content: "", id: "run-1", additional_kwargs: { reasoning_content: "Weather?" } }),
    call("", { id: "call_1", name: "weather" }),
    call('{"city":'),
    call('"Bern"}'),
    lastPiece("run-1", 10, 5, "tool_calls"),
  ],
  [
    new AIMessageChunk({ content: "It ", id: "run-2" }),
    new AIMessageChunk({ content: [{ type: "text", text: "rains." }], id: "run-2" }),
    lastPiece("run-2", 20, 7, "stop"),
  ],
];

const weather = tool(async () => "rain", {
  name: "weather",
  description: "tells the weather",
  schema: { type: "object", properties: { city: { type: "string" } } },
});

function agent(model: ScriptedModel, weatherTool = weather) {
  const lastOf = ({ messages }: { messages: BaseMessage[] }) => messages.at(-1) as AIMessage;
  return new StateGraph(MessagesAnnotation)
    .addNode("model", async ({ messages }, config: LangGraphRunnableConfig) => {
      config.writer?.({ note: "asking" });
      return { messages: [await model.invoke(messages, config)] };
    })
    .addNode("tools", new ToolNode([weatherTool]))
    .addEdge("__start__", "model")
    .addConditionalEdges("model", (state) => (lastOf(state).tool_calls?.length ? "tools" : "__end__"))
    .addEdge("tools", "model")
    .compile();
}
const input = { messages: [new HumanMessage("How is the weather in Bern?")] };

const toolCall = [
  ["reasoning_delta", { text: "Weather?" }],
  ["tool_call_started", { tool_call_id: "call_1", name: "weather" }],
  ["tool_call_delta", { tool_call_id: "call_1", arguments_delta: '{"city":' }],
  ["tool_call_delta", { tool_call_id: "call_1", arguments_delta: '"Bern"}' }],
  ["tool_call_completed", { tool_call_id: "call_1", name: "weather", arguments: { city: "Bern" } }],
];
const toolResult = [
  "tool_result",
  { tool_call_id: "call_1", name: "weather", result: "rain", is_error: false },
];
const complete = [
  "Complete",
  "Tokens used: 42",
  {
    model: "scripted-1",
    finish_reason: "stop",
    usage: { input_tokens: 30, output_tokens: 12, total_tokens: 42 },
  },
];

describe("fromLangChainEvents", () => {
  it("keeps an agent's text, reasoning, tool calls, results and nodes, and adds up its usage", async () => {
    const events = agent(new ScriptedModel(script())).streamEvents(input, { version: "v2" });
    expect(await hear(fromLangChainEvents(events))).toEqual([
      ["node_started", { node: "model" }],
      ...toolCall,
      ["node_completed", { node: "model" }],
      ["node_started", { node: "tools" }],
      toolResult,
      ["node_completed", { node: "tools" }],
      ["node_started", { node: "model" }],
      ["Text", "It "],
      ["Text", "rains."],
      ["node_completed", { node: "model" }],
      complete,
    ]);
  });

  it("takes the answer of a model that doesn't stream as a whole", async () => {
    const [first = []] = script();
    const model = new ScriptedModel(
      [[...first.slice(1), new AIMessageChunk({ content: "One moment." })]],
      false,
    );
    const heard = await hear(fromLangChainEvents(model.streamEvents("Hello?", { version: "v2" })));
    expect(heard).toEqual([
      ["Text", "One moment."],
      ["tool_call_started", { tool_call_id: "call_1", name: "weather" }],
      ["tool_call_completed", { tool_call_id: "call_1", name: "weather", arguments: { city: "Bern" } }],
      ["Complete", "Tokens used: 15", expect.objectContaining({ finish_reason: "tool_calls" })],
    ]);
  });

  it("sends the application's own events under their names", async () => {
    const chain = RunnableLambda.from(async () => {
      await dispatchCustomEvent("found", { pages: 3 });
      return "done";
    });
    const heard = await hear(fromLangChainEvents(chain.streamEvents("x", { version: "v2" })));
    expect(heard[0]).toEqual(["found", { pages: 3 }]);
  });

  it("ends with an Error chunk where the chain throws, and doesn't tell readers what", async () => {
    const chain = RunnableLambda.from(async (): Promise<string> => {
      throw new Error("password is 1234");
    });
    const onError = vi.fn();
    const heard = await hear(fromLangChainEvents(chain.streamEvents("x", { version: "v2" }), { onError }));
    expect(heard).toEqual([["Error", "the chain failed", "LLM_ERROR"]]);
    expect(onError.mock.calls).toEqual([[expect.objectContaining({ message: "password is 1234" })]]);
  });

  it("ends as cancelled once its signal aborts", async () => {
    const stop = new AbortController();
    const events = agent(new ScriptedModel(script())).streamEvents(input, { version: "v2" });
    const heard: string[] = [];
    for await (const { chunk_type } of fromLangChainEvents(events, { signal: stop.signal })) {
      heard.push(chunk_type.type === "Error" ? chunk_type.code : chunk_type.type);
      stop.abort();
    }
    expect(heard).toEqual(["Event", "CANCELLED"]);
  });
});

describe("fromLangGraph", () => {
  it("keeps the same from the modes messages, updates and custom", async () => {
    const stream = agent(new ScriptedModel(script())).stream(input, {
      streamMode: ["messages", "updates", "custom"],
    });
    const updateOf = (node: string) => ["node_completed", { node, update: expect.anything() as unknown }];
    expect(await hear(fromLangGraph(stream))).toEqual([
      ["Json", { note: "asking" }],
      ...toolCall,
      updateOf("model"),
      toolResult,
      updateOf("tools"),
      ["Json", { note: "asking" }],
      ["Text", "It "],
      ["Text", "rains."],
      updateOf("model"),
      complete,
    ]);
  });

  it("keeps the tool calls of models apart that speak at the same time", async () => {
    const [one, two] = [writing("one"), writing("two")];
    const result = new ToolMessage({ content: "1", tool_call_id: "call_one" });
    const heard = await hear(
      fromLangGraph(saying(one('{"city":'), two('{"ci'), one('"Bern"}'), result, two('ty":"Rom"}'))),
    );
    expect(heard.filter((chunk) => (chunk as unknown[])[0] !== "tool_call_delta")).toEqual([
      ["tool_call_started", { tool_call_id: "call_one", name: "weather" }],
      ["tool_call_started", { tool_call_id: "call_two", name: "weather" }],
      // By its result: its model had said all.
      ["tool_call_completed", { tool_call_id: "call_one", name: "weather", arguments: { city: "Bern" } }],
      ["tool_result", { tool_call_id: "call_one", name: null, result: "1", is_error: false }],
      // By the graph's end.
      ["tool_call_completed", { tool_call_id: "call_two", name: "weather", arguments: { city: "Rom" } }],
      expect.arrayContaining(["Complete"]),
    ]);
  });

  it("takes messages as LangGraph's server sends them", async () => {
    const piece = (content: string) => ({
      type: "AIMessageChunk",
      id: "run-1",
      content,
      tool_call_chunks: [],
    });
    expect(await hear(fromLangGraph(saying(piece("It "), piece("rains."))))).toEqual([
      ["Text", "It "],
      ["Text", "rains."],
      expect.arrayContaining(["Complete"]),
    ]);
  });

  it("takes a whole message's tool calls, of a model that doesn't stream or of a node", async () => {
    const [first = []] = script();
    const model = new ScriptedModel([first, script()[1] ?? []], false);
    const heard = await hear(fromLangGraph(agent(model).stream(input, { streamMode: ["messages"] })));
    expect(heard).toEqual([
      ["tool_call_started", { tool_call_id: "call_1", name: "weather" }],
      ["tool_call_completed", { tool_call_id: "call_1", name: "weather", arguments: { city: "Bern" } }],
      toolResult,
      ["Text", "It "],
      ["Text", "rains."],
      complete,
    ]);
  });

  it("doesn't tell a message a second time that comes as a whole after its pieces", async () => {
    const [first = []] = script();
    const { tool_calls, usage_metadata } = first.reduce((sum, piece) => sum.concat(piece));
    const again = Object.assign(new AIMessage({ content: "", id: "run-1" }), { tool_calls, usage_metadata });
    expect(await hear(fromLangGraph(saying(...first, again)))).toEqual([
      ...toolCall,
      ["Complete", "Tokens used: 15", expect.anything()],
    ]);
  });

  it("reads the items of subgraphs, which begin with their path", async () => {
    const stream = agent(new ScriptedModel([script()[1] ?? []])).stream(input, {
      streamMode: ["messages"],
      subgraphs: true,
    });
    expect(await hear(fromLangGraph(stream))).toEqual([
      ["Text", "It "],
      ["Text", "rains."],
      expect.anything(),
    ]);
  });

  it("sends the state as Json in the mode values", async () => {
    const stream = agent(new ScriptedModel([script()[1] ?? []])).stream(input, { streamMode: ["values"] });
    const heard = await hear(fromLangGraph(stream));
    expect(heard.map((chunk) => (chunk as unknown[])[0])).toEqual(["Json", "Json", "Complete"]);
  });

  it("says that it needs the modes' names where a single mode leaves them out", async () => {
    const onError = vi.fn();
    const stream = agent(new ScriptedModel(script())).stream(input, { streamMode: "updates" });
    const heard = await hear(fromLangGraph(stream, { onError }));
    expect(heard).toEqual([["Error", "the graph failed", "LLM_ERROR"]]);
    expect(String(onError.mock.calls[0])).toContain("give streamMode as a list");
  });
});

import { afterEach, describe, expect, it, vi } from "vitest";
import { hear } from "../transcripts/heard.ts";
import { fromAnthropic } from "./anthropic.ts";
import { fromLangGraph } from "./langgraph.ts";
import { fromOpenAiChat } from "./openai-chat.ts";
import { requestOpenAiChat } from "./openai-compatible.ts";
import { fromOpenAiResponses } from "./openai-responses.ts";

afterEach(() => vi.unstubAllGlobals());

async function* items(all: readonly unknown[]): AsyncGenerator<never> {
  for (const item of all) yield item as never;
}
const delta = (value: object, finish_reason: unknown = null, more: object = {}) => ({
  choices: [{ index: 0, delta: value, finish_reason, ...more }],
});
const text = (content: unknown) => delta({ content });
const call = (...tool_calls: object[]) => delta({ tool_calls });
const stop = delta({}, "stop");
const chat = (...all: unknown[]) => hear(fromOpenAiChat(items(all)));
const namesOf = (heard: unknown[]) => heard.map((chunk) => (chunk as unknown[])[0]);
const lastOf = (heard: unknown[]) => (heard.at(-1) as unknown[]).slice(0, 3);
const error = (code: string) => ["Error", expect.any(String), code];

describe("rule 2: an error within an answer is one, wherever a server puts it", () => {
  it.each([
    ["within a choice", { choices: [{ index: 0, error: { message: "slow", code: 429 }, delta: {} }] }],
    ["as Groq puts it beside the choices", { x_groq: { error: "rate limit" }, choices: [] }],
    ["in a list", [{ error: { code: 429, message: "slow", status: "RESOURCE_EXHAUSTED" } }]],
    ["as the object itself", { object: "error", message: "slow", code: 429 }],
  ])("%s", async (_where, piece) => {
    const heard = await chat(text("a"), piece);
    expect(heard[0]).toEqual(["Text", "a"]);
    expect(lastOf(heard)).toEqual(error("LLM_RATE_LIMITED"));
  });

  it("as the finish reason", async () => {
    expect(lastOf(await chat(text("a"), delta({}, "error")))).toEqual(error("LLM_ERROR"));
  });
});

describe("rule 2: an answer is whole by its finish reason, in whichever piece that comes", () => {
  it.each([
    ["after empty ones", [delta({ content: "a" }, ""), delta({ content: "" }, "stop")]],
    ["twice", [text("a"), stop, stop]],
    ["before the usage", [text("a"), stop, { choices: [], usage: { total_tokens: 2 } }]],
    ["with a whole message", [{ choices: [{ index: 0, message: { content: "a" }, finish_reason: "stop" }] }]],
    ["with content in blocks", [text([{ type: "text", text: "a" }]), stop]],
  ])("%s", async (_where, pieces) => {
    expect(namesOf(await chat(...pieces))).toEqual(["Text", "Complete"]);
  });

  it("and not by the end of its connection", async () => {
    const block = { type: "content_block_start", index: 0, content_block: { type: "text", text: "Hi" } };
    const anthropic = await hear(fromAnthropic(items([{ type: "message_start", message: {} }, block])));
    const piece = { type: "response.output_text.delta", item_id: "x", output_index: 0, delta: "Hi" };
    const responses = await hear(fromOpenAiResponses(items([piece])));
    for (const heard of [anthropic, responses, await chat(text("Hi"))])
      expect(lastOf(heard)).toEqual(error("LLM_ERROR"));
  });
});

describe("rule 4: a tool call is told whole, however a server sends it", () => {
  const completed = ["tool_call_completed", { tool_call_id: "c", name: "f", arguments: { a: 1 } }];

  it.each([
    [
      "with its arguments as an object",
      call({ index: 0, id: "c", function: { name: "f", arguments: { a: 1 } } }),
    ],
    ["without an index", call({ id: "c", function: { name: "f", arguments: '{"a":1}' } })],
    [
      "with an index that doesn't begin at 0",
      call({ index: 3, id: "c", function: { name: "f", arguments: '{"a":1}' } }),
    ],
  ])("%s", async (_how, piece) => {
    expect(await chat(piece, delta({}, "tool_calls"))).toContainEqual(completed);
  });

  it("in the older form of a single function", async () => {
    const heard = await chat(
      delta({ function_call: { name: "f", arguments: '{"a"' } }),
      delta({ function_call: { arguments: ":1}" } }),
      delta({}, "function_call"),
    );
    const [, told] = heard.find((chunk) => (chunk as unknown[])[0] === "tool_call_completed") as [
      string,
      object,
    ];
    expect(told).toMatchObject({ name: "f", arguments: { a: 1 } });
  });

  it("only when it is done, by an item of the Responses API", async () => {
    const item = { type: "function_call", id: "i", call_id: "c", name: "f", arguments: '{"a":1}' };
    const done = { type: "response.output_item.done", output_index: 0, item };
    const end = { type: "response.completed", response: { status: "completed" } };
    expect(await hear(fromOpenAiResponses(items([done, end])))).toContainEqual(completed);
  });

  it("at its start, by Anthropic's `input`", async () => {
    const block = { type: "tool_use", id: "c", name: "f", input: { a: 1 } };
    const heard = await hear(
      fromAnthropic(
        items([
          { type: "message_start", message: {} },
          { type: "content_block_start", index: 0, content_block: block },
          { type: "content_block_stop", index: 0 },
          { type: "message_delta", delta: { stop_reason: "tool_use" } },
        ]),
      ),
    );
    expect(heard).toContainEqual(completed);
  });

  it("never, where its answer was cut", async () => {
    const heard = await chat(call({ index: 0, id: "c", function: { name: "f", arguments: '{"a":' } }));
    expect(namesOf(heard)).not.toContain("tool_call_completed");
    expect(lastOf(heard)).toEqual(error("LLM_ERROR"));
  });
});

describe("rule 7: the raw reader takes an event stream however it is framed", () => {
  const read = (body: string, type = "text/event-stream") => {
    vi.stubGlobal("fetch", async () => new Response(body, { headers: { "content-type": type } }));
    const server = { baseUrl: "http://framed.test/v1", apiKey: "k", idleTimeoutMs: 3_000 };
    return hear(fromOpenAiChat(requestOpenAiChat(server, { model: "m" })));
  };
  const [a, end] = [JSON.stringify(text("a")), JSON.stringify(stop)];

  it.each([
    ["CRLF", `data: ${a}\r\n\r\ndata: ${end}\r\n\r\ndata: [DONE]\r\n\r\n`],
    ["CR", `data: ${a}\r\rdata: ${end}\r\r`],
    ["a byte order mark and no blanks", `\uFEFFdata:${a}\n\ndata:${end}\n\ndata:[DONE]\n\n`],
    ["no blank line at its end", `data: ${a}\n\ndata: ${end}`],
    [
      "keep-alives in between",
      `: ping\n\ndata:\n\ndata: null\n\nevent: ping\ndata: {}\n\ndata: ${a}\n\ndata: ${end}\n\n`,
    ],
  ])("%s", async (_how, body) => {
    expect(namesOf(await read(body))).toEqual(["Text", "Complete"]);
  });

  it.each([
    ["a page", "<html>hi</html>", "text/html"],
    ["nothing", "", "text/event-stream"],
    ["a piece that is cut", `data: ${a}\n\ndata: {"choices":[{"ind`, "text/event-stream"],
    ["an error as an event of text", `data: ${a}\n\nevent: error\ndata: boom\n\n`, "text/event-stream"],
  ])("and never calls an answer whole that is %s", async (_what, body, type) => {
    expect(lastOf(await read(body, type))).toEqual(error("LLM_ERROR"));
  });
});

it("LangGraph's pieces are read with the path of a subgraph before them, and without", async () => {
  const message = ["messages", [{ content: "Hi", id: "m", type: "AIMessageChunk" }, { langgraph_node: "n" }]];
  for (const piece of [message, [["sub:1"], ...message], [["sub:1", "deep:2"], ...message]])
    expect(namesOf(await hear(fromLangGraph(items([piece]))))).toEqual(["Text", "Complete"]);
});

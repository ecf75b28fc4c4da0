import type { ChunkDraft } from "@sluice/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { hear } from "../transcripts/heard.ts";
import { fromAiSdk } from "./ai-sdk.ts";
import { fromAnthropic } from "./anthropic.ts";
import { fromIterable } from "./iterable.ts";
import { fromLangChainEvents } from "./langchain.ts";
import { fromLangGraph } from "./langgraph.ts";
import { fromOpenAiChat } from "./openai-chat.ts";
import { requestOpenAiChat, type OpenAiServer } from "./openai-compatible.ts";
import { fromOpenAiResponses } from "./openai-responses.ts";

afterEach(() => vi.unstubAllGlobals());

async function* items(all: readonly unknown[]): AsyncGenerator<never> {
  for (const item of all) yield item as never;
}
function throwing(error: Error): ReadableStream<never> {
  return new ReadableStream({ start: (controller) => controller.error(error) });
}
const chat = (...all: unknown[]) => hear(fromOpenAiChat(items(all)));
const delta = (value: object, finish_reason: unknown = null) => ({
  choices: [{ index: 0, delta: value, finish_reason }],
});
const text = (content: string) => delta({ content });
const stop = delta({}, "stop");

let servers = 0;
/** The raw reader, with a server of its own that answers so. */
function ask(answer: (body: Record<string, unknown>) => Response, server: Partial<OpenAiServer> = {}) {
  const asked: Record<string, unknown>[] = [];
  vi.stubGlobal("fetch", async (_url: string, { body }: { body: string }) => {
    asked.push(JSON.parse(body) as Record<string, unknown>);
    return answer(asked.at(-1) ?? {});
  });
  const at = {
    baseUrl: `http://m${++servers}.test/v1`,
    apiKey: "my-own-key",
    idleTimeoutMs: 10_000,
    ...server,
  };
  const read = (request: object = {}, onError?: (error: unknown) => void) =>
    hear(fromOpenAiChat(requestOpenAiChat(at, { model: "m", ...request }), onError && { onError }));
  return { asked, read };
}
const sse = (...data: string[]) =>
  new Response(data.map((one) => `data: ${one}\n\n`).join(""), {
    headers: { "content-type": "text/event-stream" },
  });
const whole = () => sse(JSON.stringify(text("Hi")), JSON.stringify(stop));
const complete = expect.arrayContaining(["Complete"]) as unknown;

describe("rule 1: nothing empty is a value", () => {
  it.each(["", " ", null, undefined, [], "null", "None"])(
    "a finish reason of %j ends nothing",
    async (none) => {
      const pieces = [delta({ content: "a" }, none), delta({ content: "b" }, none)];
      expect((await chat(...pieces)).at(-1)).toEqual(expect.arrayContaining(["Error", "LLM_ERROR"]));
      expect((await chat(...pieces, stop)).at(-1)).toEqual([
        "Complete",
        null,
        expect.objectContaining({ finish_reason: "stop" }),
      ]);
    },
  );

  it("the first model, finish reason and usage that say something count", async () => {
    const usage = { prompt_tokens: 1, completion_tokens: 2 };
    const heard = await chat(
      { model: "", ...text("a") },
      { model: "m", ...delta({}, "length"), usage },
      { model: "n", ...delta({}, "stop"), usage: {} },
      { choices: [], usage: null },
    );
    expect(heard.at(-1)).toEqual([
      "Complete",
      "Tokens used: 3",
      expect.objectContaining({ model: "m", finish_reason: "length" }),
    ]);
  });
});

describe("rule 2: success is proven", () => {
  it("a server that goes on after its finish reason is heard out, and not believed when its connection breaks", async () => {
    async function* breaking(): AsyncGenerator<never> {
      yield delta({ content: "a" }, "stop") as never;
      yield delta({ content: "b" }, "stop") as never;
      throw new TypeError("terminated");
    }
    expect((await hear(fromOpenAiChat(breaking()))).at(-1)).toEqual(expect.arrayContaining(["Error"]));
    expect(await chat(delta({ content: "a" }, "stop"), delta({ content: "b" }, "stop"))).toEqual([
      ["Text", "a"],
      ["Text", "b"],
      complete,
    ]);
  });

  it.each(["error", "insufficient_system_resource", "abort", "MALFORMED_FUNCTION_CALL", "network_error"])(
    "the finish reason %s is a failure",
    async (reason) => {
      expect((await chat(text("a"), delta({}, reason))).at(-1)).toEqual([
        "Error",
        expect.stringContaining(reason),
        expect.stringMatching(/^LLM_/),
      ]);
      const events = [{ type: "message_start" }, { type: "message_delta", delta: { stop_reason: reason } }];
      expect((await hear(fromAnthropic(items(events)))).at(-1)).toEqual(expect.arrayContaining(["Error"]));
      const message = {
        type: "AIMessageChunk",
        id: "r",
        content: "a",
        response_metadata: { finish_reason: reason },
      };
      expect((await hear(fromLangGraph(items([["messages", [message, {}]]])))).at(-1)).toEqual(
        expect.arrayContaining(["Error"]),
      );
    },
  );

  it("the AI SDK's words for a provider that gave no reason are no success", async () => {
    const part = { type: "text-delta", text: "a" };
    const end = (more: object) => hear(fromAiSdk(items([part, { type: "finish", ...more }])));
    expect((await end({ finishReason: "unknown" })).at(-1)).toEqual(expect.arrayContaining(["Error"]));
    expect((await end({ finishReason: "other", rawFinishReason: undefined })).at(-1)).toEqual(
      expect.arrayContaining(["Error"]),
    );
    expect((await end({ finishReason: "other", rawFinishReason: "novel" })).at(-1)).toEqual(complete);
  });

  it("a chain is over when each model that began has ended", async () => {
    const piece = { event: "on_chat_model_stream", run_id: "1", data: { chunk: { content: "Half" } } };
    const end = { event: "on_chat_model_end", run_id: "1", data: { output: { content: "Half of it" } } };
    expect((await hear(fromLangChainEvents(items([piece])))).at(-1)).toEqual(
      expect.arrayContaining(["Error"]),
    );
    expect(await hear(fromLangChainEvents(items([piece, end])))).toEqual([
      ["Text", "Half"],
      ["Text", " of it"],
      complete,
    ]);
  });

  it("a server that answers with JSON is read: a whole answer, or an error with status 200", async () => {
    const message = {
      role: "assistant",
      content: "Hi",
      tool_calls: [{ id: "c", function: { name: "f", arguments: "{}" } }],
    };
    const body = { model: "m", choices: [{ index: 0, message, finish_reason: "stop" }] };
    expect(await ask(() => Response.json(body)).read()).toEqual([
      ["Text", "Hi"],
      ["tool_call_started", { tool_call_id: "c", name: "f" }],
      ["tool_call_completed", { tool_call_id: "c", name: "f", arguments: {} }],
      complete,
    ]);
    const busy = ask(() => Response.json({ error: { code: 429, message: "Slow down" } }));
    expect(await busy.read()).toEqual([
      ["Error", "the model's server reported: Slow down", "LLM_RATE_LIMITED"],
    ]);
  });

  it("an error that stands in the stream without being an event is one", async () => {
    const body = `data: ${JSON.stringify(text("a"))}\n\n{"error":{"message":"GPU lost"}}\n\n`;
    const { read } = ask(() => new Response(body, { headers: { "content-type": "text/event-stream" } }));
    expect((await read()).at(-1)).toEqual(["Error", "the model's server reported: GPU lost", "LLM_ERROR"]);
  });
});

describe("rule 3: one table of codes, for statuses, codes in the stream and classes", () => {
  it.each([
    ["LLM_RATE_LIMITED", { error: { code: 429, message: "x" } }],
    ["LLM_RATE_LIMITED", { error: { code: "rate_limit_exceeded", message: "x" } }],
    ["LLM_RATE_LIMITED", { error: { status: "RESOURCE_EXHAUSTED", message: "x" } }],
    ["LLM_RATE_LIMITED", { error: "Too many requests" }],
    ["LLM_OVERLOADED", { error: { code: "503", message: "x" } }],
    ["LLM_OVERLOADED", { error: { type: "overloaded_error", message: "x" } }],
    ["LLM_OVERLOADED", { error: "Model is overloaded", error_type: "overloaded" }],
    ["LLM_TIMEOUT", { error: { message: "TimeoutError", type: "GatewayTimeout", code: 504 } }],
    ["LLM_TIMEOUT", { object: "error", code: 408, message: "x" }],
    ["LLM_ERROR", { error: { code: "context_length_exceeded", message: "x" } }],
    ["LLM_ERROR", { detail: [{ loc: ["body"], msg: "bad field" }] }],
  ])("%s for %j in each stream", async (code, error) => {
    const end = expect.arrayContaining(["Error", code]) as unknown;
    expect((await chat(text("a"), error)).at(-1)).toEqual(end);
    expect((await hear(fromAnthropic(items([error])))).at(-1)).toEqual(end);
    expect((await hear(fromOpenAiResponses(items([error])))).at(-1)).toEqual(end);
    expect((await hear(fromAiSdk(items([{ type: "error", error }])))).at(-1)).toEqual(end);
    expect((await hear(fromLangGraph(items([{ event: "error", data: error }])))).at(-1)).toEqual(end);
    expect((await ask(() => sse(JSON.stringify(error))).read()).at(-1)).toEqual(end);
  });

  it.each([
    [408, "LLM_TIMEOUT"],
    [429, "LLM_RATE_LIMITED"],
    [503, "LLM_OVERLOADED"],
    [504, "LLM_TIMEOUT"],
    [529, "LLM_OVERLOADED"],
    [400, "LLM_ERROR"],
  ])("status %i is %s, of the raw reader and of what a library throws", async (status, code) => {
    const thrown = Object.assign(new Error("x"), { status });
    const failing = throwing(thrown);
    expect((await hear(fromOpenAiChat(failing))).at(-1)).toEqual(expect.arrayContaining(["Error", code]));
    const { read } = ask(() => new Response("<html>", { status }));
    expect((await read()).at(-1)).toEqual(["Error", `the model's server answered ${status}`, code]);
  });

  it.each(["<html>Bad gateway</html>", '{"detail":"no my-own-key here"}', "plain words sk-abcdefghijkl"])(
    "the log has the server's own words, readers no key: %s",
    async (body) => {
      const onError = vi.fn();
      const heard = await ask(() => new Response(body, { status: 502 })).read({}, onError);
      expect(onError).toHaveBeenCalledWith(expect.objectContaining({ serverSaid: body }));
      expect(JSON.stringify(heard)).not.toMatch(/my-own-key|sk-abc|html/);
    },
  );
});

describe("rule 5: what isn't known is not dropped", () => {
  it("arrives as unknown_part with the original, and is told to whoever counts", async () => {
    const onUnknownPart = vi.fn();
    const video = { url: "https://example.org/v" };
    const heard = await hear(fromOpenAiChat(items([delta({ video, empty: [""] }), stop]), { onUnknownPart }));
    expect(heard).toEqual([["unknown_part", { name: "video", original: { video } }], complete]);
    expect(onUnknownPart.mock.calls).toEqual([[{ name: "video", original: { video } }]]);
    const event = { type: "content_block_start", index: 0, content_block: { type: "hologram", data: "x" } };
    const end = { type: "message_delta", delta: { stop_reason: "end_turn" } };
    expect((await hear(fromAnthropic(items([event, end]))))[0]).toEqual([
      "unknown_part",
      expect.objectContaining({ name: "hologram" }),
    ]);
  });

  it("pictures, citations and Bedrock's reasoning are read for LangChain as for others", async () => {
    const content = [
      { type: "reasoning_content", reasoningText: { text: "Hm.", signature: "s" } },
      { type: "text", text: "See", annotations: [{ type: "url_citation", url: "https://example.org" }] },
      { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
    ];
    const message = { type: "AIMessageChunk", id: "r", content };
    expect(await hear(fromLangGraph(items([["messages", [message, {}]]])))).toEqual([
      ["reasoning_delta", { text: "Hm." }],
      ["Text", "See"],
      ["citation", { citation: { type: "url_citation", url: "https://example.org" } }],
      ["file_part", expect.objectContaining({ media_type: "image/png", base64: "iVBORw0KGgo=" })],
      complete,
    ]);
  });

  it("preliminary results of a tool are marked", async () => {
    const result = { type: "tool-result", toolCallId: "c", toolName: "f", output: 1 };
    const heard = await hear(
      fromAiSdk(items([{ ...result, preliminary: true }, result, { type: "finish", finishReason: "stop" }])),
    );
    expect(heard.slice(0, 2)).toEqual([
      ["tool_result", { tool_call_id: "c", name: "f", result: 1, is_error: false, preliminary: true }],
      ["tool_result", { tool_call_id: "c", name: "f", result: 1, is_error: false }],
    ]);
  });
});

describe("rule 6: once", () => {
  const piece = (id: string, content: string, node = "n") => [
    "messages",
    [
      { type: "AIMessageChunk", id, content },
      { langgraph_checkpoint_ns: node, ls_provider: "x" },
    ],
  ];
  const message = (id: string | undefined, content: string, node = "n") => [
    "messages",
    [{ type: "ai", id, content }, { langgraph_checkpoint_ns: node }],
  ];
  const texts = async (...all: unknown[]) =>
    (await hear(fromLangGraph(items(all)))).flatMap((chunk) =>
      (chunk as unknown[])[0] === "Text" ? [(chunk as unknown[])[1]] : [],
    );

  it.each(["r1", "other", undefined])(
    "a node's message after its model's pieces, under the id %s",
    async (id) => {
      expect(await texts(piece("r1", "It "), piece("r1", "rains."), message(id, "It rains."))).toEqual([
        "It ",
        "rains.",
      ]);
    },
  );

  it("two answers of equal text are two", async () => {
    expect(
      await texts(piece("r1", "Yes."), piece("r2", "Yes."), message("r1", "Yes."), message("r2", "Yes.")),
    ).toEqual(["Yes.", "Yes."]);
    expect(
      await texts(piece("r1", "Yes.", "a"), message("x", "Yes.", "a"), message("y", "Yes.", "b")),
    ).toEqual(["Yes.", "Yes."]);
    expect(await texts(piece("r1", "Yes."), message("x", "Yes."), message("y", "Yes."))).toEqual([
      "Yes.",
      "Yes.",
    ]);
  });

  it("a chat message after its deltas tells only what they left out", async () => {
    const end = { choices: [{ index: 0, message: { content: "Hello." }, finish_reason: "stop" }] };
    expect(await chat(text("Hel"), end)).toEqual([["Text", "Hel"], ["Text", "lo."], complete]);
  });
});

it("rule 7: keep-alives are no content", async () => {
  const alive = ["", " ", "null", "ping", "{}", '{"type":"ping"}', "[]"];
  const { read } = ask(() =>
    sse(...alive, JSON.stringify(text("Hi")), ...alive, JSON.stringify(stop), ...alive, "  [DONE]  "),
  );
  expect(await read()).toEqual([["Text", "Hi"], complete]);
  expect(await chat(null, text("Hi"), "", {}, [], stop, null)).toEqual([["Text", "Hi"], complete]);
});

describe("rule 8: requests", () => {
  it.each([
    {
      object: "error",
      message: {
        detail: [
          {
            type: "extra_forbidden",
            loc: ["body", "stream_options", "include_usage"],
            msg: "Extra inputs are not permitted",
          },
        ],
      },
    },
    { error: { message: "Unrecognized request argument supplied: stream_options" } },
    { error: "Unknown field in request body" },
  ])("optional fields that a server refuses are left out, and not sent to it again: %j", async (refusal) => {
    const { asked, read } = ask((body) =>
      "stream_options" in body ? Response.json(refusal, { status: 422 }) : whole(),
    );
    expect((await read()).at(-1)).toEqual(complete);
    expect((await read()).at(-1)).toEqual(complete);
    expect(asked.map((body) => "stream_options" in body)).toEqual([true, false, false]);
  });

  it("a refusal for another reason is not repeated", async () => {
    const { asked, read } = ask(() =>
      Response.json({ error: { message: "context length exceeded" } }, { status: 400 }),
    );
    expect((await read()).at(-1)).toEqual(expect.arrayContaining(["Error"]));
    expect(asked.length).toBe(1);
  });

  it("fields can be left out from the start, and be the caller's own", async () => {
    const { asked, read } = ask(whole, { omittedFields: ["stream_options", "user"] });
    await read({ user: "u", temperature: 0 });
    expect(asked).toEqual([{ model: "m", temperature: 0, stream: true }]);
  });

  it.each([2 ** 31, Number.POSITIVE_INFINITY, Number.NaN])(
    "a time limit of %d ms is bounded, and doesn't fire at once",
    async (idleTimeoutMs) => {
      const { read } = ask(whole, { idleTimeoutMs });
      expect((await read()).at(-1)).toEqual(complete);
    },
  );
});

describe("rule 9: the carrier's limits are hidden", () => {
  const joined = async (chunks: AsyncIterable<ChunkDraft>): Promise<string> => {
    let all = "";
    for await (const { chunk_type: chunk } of chunks) {
      if (chunk.type !== "Text") continue;
      expect(chunk.content.isWellFormed()).toBe(true);
      expect(Buffer.byteLength(JSON.stringify(chunk))).toBeLessThan(1024 * 1024);
      all += chunk.content;
    }
    return all;
  };

  it("text above 1 MiB and halves of characters arrive as they were", async () => {
    const large = "ü".repeat(700_000);
    expect((await joined(fromIterable(items(["a\ud83d", `\udd0e${large}`])))) === `a🔎${large}`).toBe(true);
    expect(
      (await joined(fromOpenAiChat(items([text("a\ud83d"), text(`\udd0e${large}`), stop])))) ===
        `a🔎${large}`,
    ).toBe(true);
    expect(await joined(fromIterable(items(["a\ud83d"])))).toBe("a\ufffd");
  });

  it("what can't be cut ends the stream with words that name the limit", async () => {
    expect((await hear(fromLangGraph(items([["custom", "x".repeat(1_100_000)]])))).at(-1)).toEqual([
      "Error",
      expect.stringContaining("1 MiB"),
      "CHUNK_TOO_LARGE",
    ]);
  });
});

describe("rule 10: our mistakes are ours", () => {
  it("what a mapping throws is told neither as a lost connection nor as the model's failure", async () => {
    const onError = vi.fn();
    const trap = {
      get choices(): never {
        throw new TypeError("x is undefined");
      },
    };
    expect(await hear(fromOpenAiChat(items([trap]), { onError }))).toEqual([
      ["Error", expect.stringContaining("could not be read"), "ADAPTER_FAILED"],
    ]);
    expect(onError.mock.calls).toEqual([[expect.any(TypeError)]]);
  });

  it("a source's own TypeError is no lost connection, fetch's is", async () => {
    const failing = (message: string) => throwing(new TypeError(message));
    expect(await hear(fromOpenAiChat(failing("x is not a function")))).toEqual([
      ["Error", "the model failed", "LLM_ERROR"],
    ]);
    expect(await hear(fromOpenAiChat(failing("fetch failed")))).toEqual([
      ["Error", expect.stringContaining("connection"), "LLM_ERROR"],
    ]);
  });

  it("missing usage of Anthropic-compatible servers is null", async () => {
    const events = [
      { type: "message_start", message: { model: "m" } },
      { type: "message_delta", delta: { stop_reason: "end_turn" } },
      { type: "message_stop" },
    ];
    expect(await hear(fromAnthropic(items(events)))).toEqual([
      ["Complete", null, { model: "m", finish_reason: "end_turn", usage: null }],
    ]);
  });
});

import OpenAI, { APIError } from "openai";
import { describe, expect, it, vi } from "vitest";
import { hear } from "../transcripts/heard.ts";
import { fallingSilent, refusing, serving } from "../transcripts/served.ts";
import { fromOpenAiChat } from "./openai-chat.ts";

/** The real library, with a provider that answers from a transcript. */
const request = (fetch: typeof globalThis.fetch) =>
  new OpenAI({ apiKey: "sk-secret", maxRetries: 0, fetch }).chat.completions.create({
    model: "gpt-5-mini",
    messages: [{ role: "user", content: "Hello?" }],
    stream: true,
  });

const usage = {
  input_tokens: 82,
  output_tokens: 57,
  total_tokens: 139,
  cached_input_tokens: 64,
  reasoning_tokens: 32,
};
const model = "gpt-5-mini-2025-08-07";

describe("fromOpenAiChat", () => {
  it("keeps text, tool calls with the deltas of their arguments, finish reason and usage", async () => {
    expect(await hear(fromOpenAiChat(request(serving("openai-chat-tools.sse"))))).toEqual([
      ["Text", "Let me look."],
      ["tool_call_started", { tool_call_id: "call_aK9", name: "get_weather" }],
      ["tool_call_delta", { tool_call_id: "call_aK9", arguments_delta: '{"city":' }],
      ["tool_call_delta", { tool_call_id: "call_aK9", arguments_delta: '"Zürich"}' }],
      ["tool_call_started", { tool_call_id: "call_bT2", name: "get_time" }],
      ["tool_call_delta", { tool_call_id: "call_bT2", arguments_delta: "{}" }],
      [
        "tool_call_completed",
        { tool_call_id: "call_aK9", name: "get_weather", arguments: { city: "Zürich" } },
      ],
      ["tool_call_completed", { tool_call_id: "call_bT2", name: "get_time", arguments: {} }],
      ["Complete", "Tokens used: 139", { model, finish_reason: "tool_calls", usage }],
    ]);
  });

  it("sends a refusal as Text that is marked as one", async () => {
    expect(await hear(fromOpenAiChat(request(serving("openai-chat-refusal.sse"))))).toEqual([
      ["Text", "I can't help", "refusal"],
      ["Text", " with that.", "refusal"],
      ["Complete", "Tokens used: 139", { model, finish_reason: "stop", usage }],
    ]);
  });

  it("sends only the first choice as Text", async () => {
    expect(await hear(fromOpenAiChat(request(serving("openai-chat-choices.sse"))))).toEqual([
      ["Text", "Red"],
      ["choice_delta", { choice: 1, text: "Blue" }],
      ["Text", " wine"],
      ["choice_delta", { choice: 1, text: " sea" }],
      ["choice_completed", { choice: 1, finish_reason: "length" }],
      ["Complete", "Tokens used: 139", { model, finish_reason: "stop", usage }],
    ]);
  });

  it("understands reasoning, and tool calls that share an index or have no id, of compatible servers", async () => {
    expect(await hear(fromOpenAiChat(request(serving("local-reasoning-tools.sse"))))).toEqual([
      ["reasoning_delta", { text: "The user wants" }],
      ["reasoning_delta", { text: " two things." }],
      ["tool_call_started", { tool_call_id: "call_x1", name: "add" }],
      ["tool_call_delta", { tool_call_id: "call_x1", arguments_delta: '{"a":1}' }],
      ["tool_call_completed", { tool_call_id: "call_x1", name: "add", arguments: { a: 1 } }],
      ["tool_call_started", { tool_call_id: "call_x2", name: "add" }],
      ["tool_call_delta", { tool_call_id: "call_x2", arguments_delta: '{"a":2' }],
      ["tool_call_started", { tool_call_id: "call_2", name: "noop" }],
      // What the model wrote is no JSON: kept as it is.
      ["tool_call_completed", { tool_call_id: "call_x2", name: "add", arguments: '{"a":2' }],
      ["tool_call_completed", { tool_call_id: "call_2", name: "noop", arguments: {} }],
      ["Complete", null, { model: "qwen3:8b", finish_reason: "stop", usage: null }],
    ]);
  });

  it("names its source on every chunk, or the one that it is given", async () => {
    for await (const chunk of fromOpenAiChat(request(serving("openai-chat-tools.sse")))) {
      expect(chunk.metadata?.source).toBe("openai");
    }
    for await (const chunk of fromOpenAiChat(request(serving("openai-chat-tools.sse")), { source: "mine" })) {
      expect(chunk.metadata?.source).toBe("mine");
    }
  });

  it("ends with LLM_ERROR where the answer is cut before its finish reason", async () => {
    const { signal } = new AbortController();
    const cut = serving("openai-chat-tools.sse");
    const short: typeof fetch = async (...args) => {
      const text = await (await cut(...args)).text();
      return new Response(text.slice(0, text.lastIndexOf("data:", text.indexOf('[{"index":1'))), {
        headers: { "content-type": "text/event-stream" },
      });
    };
    const heard = await hear(fromOpenAiChat(request(short), { signal }));
    expect(heard.at(-1)).toEqual([
      "Error",
      "the model's server broke off in the middle of the answer",
      "LLM_ERROR",
    ]);
  });

  it("ends with LLM_ERROR where the connection is lost while another choice than the first still writes", async () => {
    const whole = await (await serving("openai-chat-choices.sse")("")).text();
    const cut: typeof fetch = async () =>
      new Response(whole.slice(0, whole.lastIndexOf("data:", whole.indexOf('"length"'))), {
        headers: { "content-type": "text/event-stream" },
      });
    expect((await hear(fromOpenAiChat(request(cut)))).at(-1)).toEqual([
      "Error",
      "the model's server broke off in the middle of the answer",
      "LLM_ERROR",
    ]);
  });

  it.each([
    [429, "LLM_RATE_LIMITED", /^the model's server answered 429: Slow down$/],
    [500, "LLM_ERROR", /^the model's server answered 500: Slow down$/],
    [401, "LLM_ERROR", /^the model's server refused our credentials \(401\)$/],
  ])("tells of a request that is refused with %i, and its log of all", async (status, code, message) => {
    const onError = vi.fn();
    const refused = request(refusing(status, { error: { message: "Slow down", type: "whatever" } }));
    expect(await hear(fromOpenAiChat(refused, { onError }))).toEqual([
      ["Error", expect.stringMatching(message), code],
    ]);
    expect(onError.mock.calls).toEqual([[expect.any(APIError)]]);
  });

  it("ends as cancelled once its signal aborts, and hangs up on a provider that is silent", async () => {
    const stop = new AbortController();
    const { fetch, hungUp } = fallingSilent("openai-chat-tools.sse", 1000);
    const heard: unknown[] = [];
    for await (const chunk of fromOpenAiChat(request(fetch), { signal: stop.signal })) {
      heard.push(chunk.chunk_type.type);
      // The provider says no more: the adapter waits for it as it aborts.
      setTimeout(() => stop.abort(), 10);
    }
    expect(heard).toEqual(["Text", "Error"]);
    await hungUp;
  });

  it("ends with the code of the reason to abort, where it has one", async () => {
    const reason = Object.assign(new Error("shutting down"), { code: "WORKER_STOPPED" });
    const { fetch, hungUp } = fallingSilent("openai-chat-tools.sse", 1000);
    const heard = await hear(fromOpenAiChat(request(fetch), { signal: AbortSignal.abort(reason) }));
    expect(heard).toEqual([["Error", "shutting down", "WORKER_STOPPED"]]);
    await hungUp;
  });

  it("ends as cancelled where the library's own stream is aborted", async () => {
    const { fetch } = fallingSilent("openai-chat-tools.sse", 1000);
    const stream = await request(fetch);
    setTimeout(() => stream.controller.abort(), 10);
    expect((await hear(fromOpenAiChat(stream))).at(-1)).toEqual([
      "Error",
      "the answer was stopped",
      "CANCELLED",
    ]);
  });

  it("hangs up when its reader breaks off", async () => {
    const { fetch, hungUp } = fallingSilent("openai-chat-tools.sse", 1000);
    for await (const _ of fromOpenAiChat(request(fetch))) break;
    await expect(hungUp).resolves.toBeUndefined();
  });
});

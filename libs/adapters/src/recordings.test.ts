import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterEach, describe, expect, it, vi } from "vitest";
import { hear } from "../transcripts/heard.ts";
import { serving } from "../transcripts/served.ts";
import { fromAnthropic } from "./anthropic.ts";
import { fromOpenAiChat } from "./openai-chat.ts";
import { requestOpenAiChat } from "./openai-compatible.ts";
import { fromOpenAiResponses } from "./openai-responses.ts";

/** Recorded from LiteLLM's proxy, which ran in front of a stub model. */
const litellm = (name: string) => serving(`litellm/${name}.sse`);

afterEach(() => vi.unstubAllGlobals());

function byLibrary(fetch: typeof globalThis.fetch): Promise<unknown[]> {
  const client = new OpenAI({ apiKey: "sk-secret", maxRetries: 0, fetch });
  return hear(fromOpenAiChat(client.chat.completions.create({ model: "m", messages: [], stream: true })));
}

function byRawReader(fetch: typeof globalThis.fetch): Promise<unknown[]> {
  vi.stubGlobal("fetch", fetch);
  const server = { baseUrl: "http://model.test/v1", apiKey: null, idleTimeoutMs: 10_000 };
  return hear(fromOpenAiChat(requestOpenAiChat(server, { model: "m" })));
}

const usage = (input: number, output: number, reasoning?: number) => ({
  input_tokens: input,
  output_tokens: output,
  total_tokens: input + output,
  ...(reasoning !== undefined && { reasoning_tokens: reasoning }),
});
const called = (id: string, name: string, args: object) => [
  ["tool_call_started", { tool_call_id: id, name }],
  ["tool_call_completed", { tool_call_id: id, name, arguments: args }],
];
const withoutDeltas = (heard: unknown[]) =>
  heard.filter((chunk) => (chunk as unknown[])[0] !== "tool_call_delta");

describe.each([
  ["the library", byLibrary],
  ["the raw reader", byRawReader],
])("what LiteLLM really sends, by %s", (_name, read) => {
  it("text and usage", async () => {
    expect(await read(litellm("text"))).toEqual([
      ["Text", "Die Schleuse "],
      ["Text", "öffnet 🔎."],
      ["Complete", "Tokens used: 12", { model: "text", finish_reason: "stop", usage: usage(7, 5, 0) }],
    ]);
  });

  it("reasoning", async () => {
    expect(await read(litellm("reasoning"))).toEqual([
      ["reasoning_delta", { text: "Let me " }],
      ["reasoning_delta", { text: "think." }],
      ["Text", "Yes."],
      ["Complete", "Tokens used: 14", expect.objectContaining({ usage: usage(8, 6, 4) })],
    ]);
  });

  it("parallel tool calls", async () => {
    const heard = withoutDeltas(await read(litellm("tools")));
    const [aStarted, aCompleted] = called("call_a", "get_weather", { city: "Bern" });
    const [bStarted, bCompleted] = called("call_b", "get_time", {});
    expect(heard.slice(0, -1)).toEqual([aStarted, bStarted, aCompleted, bCompleted]);
    expect(heard.at(-1)).toEqual(["Complete", "Tokens used: 55", expect.anything()]);
  });

  it("rule 4: two calls of one tool without ids, under one index", async () => {
    expect(withoutDeltas(await read(litellm("tools-without-ids"))).slice(0, -1)).toEqual([
      ...called("call_0", "add", { a: 1 }),
      ...called("call_1", "add", { a: 2 }),
    ]);
  });

  it("rule 2: an error in mid-answer", async () => {
    expect(await read(litellm("error"))).toEqual([
      ["Text", "Half"],
      ["Error", expect.stringMatching(/reported: litellm\.APIConnectionError: .* GPU lost$/), "LLM_ERROR"],
    ]);
  });

  it("a model that was cut: LiteLLM itself says that it is whole, and nobody behind it can know better", async () => {
    expect((await read(litellm("cut"))).at(-1)).toEqual([
      "Complete",
      "Tokens used: 10",
      expect.objectContaining({ finish_reason: "stop" }),
    ]);
  });

  it("rule 3: a rate limit", async () => {
    const body = readFileSync(new URL("../transcripts/litellm/rate-limit.json", import.meta.url), "utf8");
    const headers = { "content-type": "application/json" };
    expect(await read(async () => new Response(body, { status: 429, headers }))).toEqual([
      ["Error", expect.stringMatching(/^the model's server answered 429: .*Slow down/), "LLM_RATE_LIMITED"],
    ]);
  });
});

describe("what LiteLLM really sends elsewhere", () => {
  it("rule 2: an error of its Messages API", async () => {
    const client = new Anthropic({ apiKey: "sk-secret", maxRetries: 0, fetch: litellm("messages-error") });
    const asked = client.messages.create({ model: "m", max_tokens: 9, messages: [], stream: true });
    expect(await hear(fromAnthropic(asked))).toEqual([
      ["Error", "the model's server reported: 'GenericEvent' object has no attribute 'type'", "LLM_ERROR"],
    ]);
  });

  it("rule 2: an error of its Responses API", async () => {
    const client = new OpenAI({ apiKey: "sk-secret", maxRetries: 0, fetch: litellm("responses-error") });
    const asked = client.responses.create({ model: "m", input: "hi", stream: true });
    expect(await hear(fromOpenAiResponses(asked))).toEqual([
      ["Error", "the model's server reported: Error processing stream start", "LLM_ERROR"],
    ]);
  });
});

import Anthropic from "@anthropic-ai/sdk";
import { describe, expect, it } from "vitest";
import { hear } from "../transcripts/heard.ts";
import { fallingSilent, refusing, serving } from "../transcripts/served.ts";
import { fromAnthropic } from "./anthropic.ts";

/** The real library, with a provider that answers from a transcript. */
const messages = (fetch: typeof globalThis.fetch) =>
  new Anthropic({ apiKey: "sk-secret", maxRetries: 0, fetch }).messages;

const question = {
  model: "claude-any",
  max_tokens: 1_000,
  messages: [{ role: "user" as const, content: "Hello?" }],
};
const request = (fetch: typeof globalThis.fetch) => messages(fetch).create({ ...question, stream: true });

const whole = [
  ["reasoning_delta", { text: "I should" }],
  ["reasoning_delta", { text: " search." }],
  ["Text", "Ich schaue"],
  ["Text", " nach 🔎."],
  ["citation", { citation: expect.objectContaining({ cited_text: "A gate." }) as unknown }],
  ["tool_call_started", { tool_call_id: "srvtoolu_1", name: "web_search" }],
  ["tool_call_delta", { tool_call_id: "srvtoolu_1", arguments_delta: '{"query":' }],
  ["tool_call_delta", { tool_call_id: "srvtoolu_1", arguments_delta: '"sluice"}' }],
  ["tool_call_completed", { tool_call_id: "srvtoolu_1", name: "web_search", arguments: { query: "sluice" } }],
  [
    "tool_result",
    {
      tool_call_id: "srvtoolu_1",
      name: "web_search",
      result: { type: "web_search_tool_result_error", error_code: "max_uses_exceeded" },
      is_error: true,
    },
  ],
  ["tool_call_started", { tool_call_id: "toolu_2", name: "get_time" }],
  ["tool_call_completed", { tool_call_id: "toolu_2", name: "get_time", arguments: {} }],
  [
    "Complete",
    "Tokens used: 239",
    {
      model: "claude-sonnet-4-5-20250929",
      finish_reason: "tool_use",
      // 30 and 120 that came from the cache or went into it: the input as other providers count it.
      usage: { input_tokens: 150, output_tokens: 89, total_tokens: 239, cached_input_tokens: 100 },
    },
  ],
];

describe("fromAnthropic", () => {
  it("keeps text, citations, thinking, calls and results of tools, stop reason and usage", async () => {
    expect(await hear(fromAnthropic(request(serving("anthropic.sse"))))).toEqual(whole);
  });

  it("reads the library's accumulating stream as well", async () => {
    expect(await hear(fromAnthropic(messages(serving("anthropic.sse")).stream(question)))).toEqual(whole);
  });

  it("ends with LLM_OVERLOADED where the API says so in mid-stream", async () => {
    expect(await hear(fromAnthropic(request(serving("anthropic-overloaded.sse"))))).toEqual([
      ["Text", "Half"],
      ["Error", "the model's server reported: Overloaded", "LLM_OVERLOADED"],
    ]);
  });

  it.each([
    [429, "rate_limit_error", "LLM_RATE_LIMITED", "the model's server answered 429: Sorry"],
    [529, "overloaded_error", "LLM_OVERLOADED", "the model's server answered 529: Sorry"],
    [401, "authentication_error", "LLM_ERROR", "the model's server refused our credentials (401)"],
  ])("tells of a request that is refused with %i", async (status, type, code, message) => {
    const refused = request(refusing(status, { type: "error", error: { type, message: "Sorry" } }));
    expect(await hear(fromAnthropic(refused))).toEqual([["Error", message, code]]);
  });

  it.each([
    ["message_delta", ["Error", "the model's server broke off in the middle of the answer", "LLM_ERROR"]],
    ["message_stop", whole.at(-1)],
  ])("rule 2: is whole after its stop reason, and not before (cut before %s)", async (event, end) => {
    const all = await (await serving("anthropic.sse")("")).text();
    const cut: typeof fetch = async () =>
      new Response(all.slice(0, all.indexOf(`event: ${event}`)), {
        headers: { "content-type": "text/event-stream" },
      });
    expect((await hear(fromAnthropic(request(cut)))).at(-1)).toEqual(end);
  });

  it.each(["create", "stream"] as const)(
    "ends as cancelled once its signal aborts, and hangs up (%s)",
    async (method) => {
      const { fetch, hungUp } = fallingSilent("anthropic.sse", 1_000);
      const stream = method === "create" ? request(fetch) : messages(fetch).stream(question);
      const heard = await hear(fromAnthropic(stream, { signal: AbortSignal.timeout(20) }));
      expect(heard.at(-1)).toEqual(["Error", "the answer was stopped", "CANCELLED"]);
      await hungUp;
    },
  );
});

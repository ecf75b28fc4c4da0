import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { hear } from "../transcripts/heard.ts";
import { fallingSilent, refusing, serving } from "../transcripts/served.ts";
import { fromOpenAiResponses } from "./openai-responses.ts";

/** The real library, with a provider that answers from a transcript. */
const request = (fetch: typeof globalThis.fetch) =>
  new OpenAI({ apiKey: "sk-secret", maxRetries: 0, fetch }).responses.create({
    model: "gpt-5",
    input: "Hello?",
    stream: true,
  });

const model = "gpt-5-2025-08-07";
const usage = {
  input_tokens: 120,
  output_tokens: 60,
  total_tokens: 180,
  cached_input_tokens: 100,
  reasoning_tokens: 40,
};

describe("fromOpenAiResponses", () => {
  it("keeps text, citations, reasoning, calls and results of tools, pictures, and usage", async () => {
    const heard = await hear(fromOpenAiResponses(request(serving("openai-responses.sse"))));
    expect(heard).toEqual([
      ["reasoning_delta", { text: "Looking" }],
      ["reasoning_delta", { text: " it up" }],
      ["tool_call_started", { tool_call_id: "ws_1", name: "web_search_call" }],
      ["tool_call_completed", { tool_call_id: "ws_1", name: "web_search_call", arguments: {} }],
      [
        "tool_result",
        {
          tool_call_id: "ws_1",
          name: "web_search_call",
          result: { action: { type: "search", query: "sluice gate" } },
          is_error: false,
        },
      ],
      ["tool_call_started", { tool_call_id: "mcp_1", name: "roll" }],
      ["tool_call_delta", { tool_call_id: "mcp_1", arguments_delta: '{"dice":"2d4"}' }],
      ["tool_call_completed", { tool_call_id: "mcp_1", name: "roll", arguments: { dice: "2d4" } }],
      [
        "tool_result",
        {
          tool_call_id: "mcp_1",
          name: "roll",
          result: { approval_request_id: null, error: null, output: "7", server_label: "dice" },
          is_error: false,
        },
      ],
      ["Text", "A gate"],
      ["Text", " für Wasser."],
      ["citation", { citation: expect.objectContaining({ url: "https://example.org/sluice" }) }],
      ["tool_call_started", { tool_call_id: "call_f1", name: "get_weather" }],
      ["tool_call_delta", { tool_call_id: "call_f1", arguments_delta: '{"city":' }],
      ["tool_call_delta", { tool_call_id: "call_f1", arguments_delta: '"Bern"}' }],
      ["tool_call_completed", { tool_call_id: "call_f1", name: "get_weather", arguments: { city: "Bern" } }],
      ["tool_call_started", { tool_call_id: "ig_1", name: "image_generation_call" }],
      ["tool_call_completed", { tool_call_id: "ig_1", name: "image_generation_call", arguments: {} }],
      ["file_part", { file_id: "ig_1", media_type: "image/png", part: 1, parts: 1, base64: "iVBORw0KGgo=" }],
      ["Complete", "Tokens used: 180", { model, finish_reason: "completed", usage }],
    ]);
  });

  it("completes a refusal that is cut by a limit with the limit's name as finish reason", async () => {
    expect(await hear(fromOpenAiResponses(request(serving("openai-responses-refusal.sse"))))).toEqual([
      ["Text", "I can't", "refusal"],
      ["Complete", "Tokens used: 180", { model, finish_reason: "max_output_tokens", usage }],
    ]);
  });

  it("ends with the provider's error where the response fails", async () => {
    expect(await hear(fromOpenAiResponses(request(serving("openai-responses-failed.sse"))))).toEqual([
      ["Text", "Half"],
      ["Error", "the model's server reported: Too many tokens per minute.", "LLM_RATE_LIMITED"],
    ]);
  });

  it("tells of a request that is refused", async () => {
    const refused = request(refusing(400, { error: { message: "No such model", code: "model_not_found" } }));
    expect(await hear(fromOpenAiResponses(refused))).toEqual([
      ["Error", "the model's server answered 400: No such model", "LLM_ERROR"],
    ]);
  });

  it("ends as cancelled once its signal aborts, and hangs up", async () => {
    const { fetch, hungUp } = fallingSilent("openai-responses.sse", 1_500);
    const heard = await hear(fromOpenAiResponses(request(fetch), { signal: AbortSignal.timeout(20) }));
    expect(heard.at(-1)).toEqual(["Error", "the answer was stopped", "CANCELLED"]);
    await hungUp;
  });
});

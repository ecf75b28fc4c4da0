import { APICallError, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { MockLanguageModelV3, simulateReadableStream } from "ai/test";
import { describe, expect, it, vi } from "vitest";
import { hear } from "../transcripts/heard.ts";
import { fromAiSdk } from "./ai-sdk.ts";

type StreamPart =
  NonNullable<Awaited<ReturnType<MockLanguageModelV3["doStream"]>>["stream"]> extends ReadableStream<
    infer Part
  >
    ? Part
    : never;

/** A model of the real library that streams one list of parts with each call. */
function modelOf(...steps: StreamPart[][]): MockLanguageModelV3 {
  return new MockLanguageModelV3({
    doStream: async () => ({ stream: simulateReadableStream({ chunks: steps.shift() ?? [] }) }),
  });
}

const usage = (input: number, output: number) => ({
  inputTokens: { total: input, noCache: input - 4, cacheRead: 4, cacheWrite: 0 },
  outputTokens: { total: output, text: output, reasoning: 1 },
});
const finish = (reason: "stop" | "tool-calls" | "error", input: number, output: number): StreamPart => ({
  type: "finish",
  finishReason: { unified: reason, raw: reason },
  usage: usage(input, output),
});
const text = (delta: string): StreamPart => ({ type: "text-delta", id: "t", delta });

/** Thinks and calls a tool, then answers. */
const steps = (): StreamPart[][] => [
  [
    { type: "stream-start", warnings: [] },
    { type: "response-metadata", id: "r1", modelId: "mock-1", timestamp: new Date(0) },
    { type: "reasoning-start", id: "r" },
    { type: "reasoning-delta", id: "r", delta: "Weather?" },
    { type: "reasoning-end", id: "r" },
    { type: "tool-input-start", id: "call_1", toolName: "weather" },
    { type: "tool-input-delta", id: "call_1", delta: '{"city":' },
    { type: "tool-input-delta", id: "call_1", delta: '"Bern"}' },
    { type: "tool-input-end", id: "call_1" },
    { type: "tool-call", toolCallId: "call_1", toolName: "weather", input: '{"city":"Bern"}' },
    finish("tool-calls", 10, 5),
  ],
  [
    { type: "stream-start", warnings: [] },
    { type: "response-metadata", id: "r2", modelId: "mock-2", timestamp: new Date(0) },
    { type: "text-start", id: "t" },
    text("It "),
    text("rains."),
    { type: "text-end", id: "t" },
    { type: "source", sourceType: "url", id: "s1", url: "https://example.org", title: "Weather" },
    { type: "file", mediaType: "image/png", data: "iVBORw0KGgo=" },
    finish("stop", 20, 7),
  ],
];

const inputSchema = jsonSchema<{ city?: string }>({
  type: "object",
  properties: { city: { type: "string" } },
});
const tools = {
  weather: tool({ inputSchema, execute: async ({ city }) => ({ city, sky: "rain" }) }),
  broken: tool({
    inputSchema,
    execute: async (): Promise<string> => {
      throw new Error("password is 1234");
    },
  }),
};
const ask = (model: MockLanguageModelV3, more: Partial<Parameters<typeof streamText>[0]> = {}) =>
  streamText({
    model,
    prompt: "How is the weather?",
    tools,
    stopWhen: stepCountIs(3),
    maxRetries: 0,
    // The library's own writes to the console.
    onError: () => undefined,
    ...(more as object),
  });

describe("fromAiSdk", () => {
  it("keeps steps, text, reasoning, calls and results of tools, sources, files and the sum of usage", async () => {
    const stepUsage = (input_tokens: number, output_tokens: number) => ({
      input_tokens,
      output_tokens,
      total_tokens: input_tokens + output_tokens,
      cached_input_tokens: 4,
      reasoning_tokens: 1,
    });
    const heard = await hear(fromAiSdk(ask(modelOf(...steps())).fullStream));
    expect(heard).toEqual([
      ["step_started", { step: 1 }],
      ["reasoning_delta", { text: "Weather?" }],
      ["tool_call_started", { tool_call_id: "call_1", name: "weather" }],
      ["tool_call_delta", { tool_call_id: "call_1", arguments_delta: '{"city":' }],
      ["tool_call_delta", { tool_call_id: "call_1", arguments_delta: '"Bern"}' }],
      ["tool_call_completed", { tool_call_id: "call_1", name: "weather", arguments: { city: "Bern" } }],
      [
        "tool_result",
        { tool_call_id: "call_1", name: "weather", result: { city: "Bern", sky: "rain" }, is_error: false },
      ],
      ["step_completed", { step: 1, finish_reason: "tool-calls", usage: stepUsage(10, 5) }],
      ["step_started", { step: 2 }],
      ["Text", "It "],
      ["Text", "rains."],
      ["citation", { citation: expect.objectContaining({ url: "https://example.org" }) }],
      [
        "file_part",
        { file_id: "file_1", media_type: "image/png", part: 1, parts: 1, base64: "iVBORw0KGgo=" },
      ],
      ["step_completed", { step: 2, finish_reason: "stop", usage: stepUsage(20, 7) }],
      [
        "Complete",
        "Tokens used: 42",
        {
          model: "mock-2",
          finish_reason: "stop",
          usage: {
            input_tokens: 30,
            output_tokens: 12,
            total_tokens: 42,
            cached_input_tokens: 8,
            reasoning_tokens: 2,
          },
        },
      ],
    ]);
  });

  it("takes calls that come whole, and tells readers of a tool that throws only that it failed", async () => {
    const onError = vi.fn();
    const call: StreamPart = { type: "tool-call", toolCallId: "c", toolName: "broken", input: "{}" };
    const model = modelOf([call, finish("tool-calls", 1, 1)], [finish("stop", 1, 1)]);
    const heard = await hear(fromAiSdk(ask(model).fullStream, { onError }));
    expect(heard.slice(1, 4)).toEqual([
      ["tool_call_started", { tool_call_id: "c", name: "broken" }],
      ["tool_call_completed", { tool_call_id: "c", name: "broken", arguments: {} }],
      ["tool_result", { tool_call_id: "c", name: "broken", result: "the tool failed", is_error: true }],
    ]);
    expect(onError.mock.calls).toEqual([[expect.objectContaining({ message: "password is 1234" })]]);
  });

  it("ends with the provider's error, in mid-stream and before", async () => {
    const error = new APICallError({
      message: "Slow down",
      url: "https://example.org",
      requestBodyValues: {},
      statusCode: 429,
      data: { error: { message: "Slow down" } },
    });
    const inStream = modelOf([
      { type: "text-start", id: "t" },
      text("Half"),
      { type: "error", error },
      finish("error", 1, 1),
    ]);
    const before = new MockLanguageModelV3({ doStream: () => Promise.reject(error) });
    const end = ["Error", "the model's server answered 429: Slow down", "LLM_RATE_LIMITED"];
    expect((await hear(fromAiSdk(ask(inStream).fullStream))).at(-1)).toEqual(end);
    expect((await hear(fromAiSdk(ask(before).fullStream))).at(-1)).toEqual(end);
  });

  it("ends as cancelled once the signal that it shares with streamText aborts", async () => {
    const stop = new AbortController();
    const model = new MockLanguageModelV3({
      doStream: async ({ abortSignal }) => ({
        stream: new ReadableStream<StreamPart>({
          start(controller) {
            controller.enqueue({ type: "text-start", id: "t" });
            controller.enqueue(text("Half"));
            abortSignal?.addEventListener("abort", () => controller.error(abortSignal.reason));
          },
        }),
      }),
    });
    for (const signal of [undefined, stop.signal]) {
      const heard: string[] = [];
      const { fullStream } = ask(model, { abortSignal: stop.signal });
      for await (const { chunk_type } of fromAiSdk(fullStream, signal && { signal })) {
        heard.push(chunk_type.type === "Error" ? chunk_type.code : chunk_type.type);
        if (chunk_type.type === "Text") setTimeout(() => stop.abort(), 5);
      }
      expect(heard.at(-1)).toBe("CANCELLED");
    }
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { hear } from "../transcripts/heard.ts";
import { fallingSilent } from "../transcripts/served.ts";
import { fromOpenAiChat } from "./openai-chat.ts";
import { requestOpenAiChat } from "./openai-compatible.ts";

const request = (idleTimeoutMs: number) =>
  requestOpenAiChat({ baseUrl: "http://model.test/v1", apiKey: null, idleTimeoutMs }, { model: "m1" });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** The last chunk, and after how long it came. */
async function hearAll(idleTimeoutMs: number): Promise<{ last: unknown; afterMs: number }> {
  const beganMs = Date.now();
  const results: { last: unknown; afterMs: number }[] = [];
  void hear(fromOpenAiChat(request(idleTimeoutMs))).then((heard) =>
    results.push({ last: heard.at(-1), afterMs: Date.now() - beganMs }),
  );
  for (;;) {
    const [result] = results;
    if (result !== undefined) return result;
    await vi.advanceTimersByTimeAsync(100);
  }
}

describe("a server that neither says more nor hangs up", () => {
  const complete = ["Complete", null, expect.objectContaining({ finish_reason: "stop", usage: null })];

  it("has answered in whole after the finish reason: its usage is waited for a few seconds, then it is hung up on", async () => {
    const { fetch, hungUp } = fallingSilent("openai-chat-choices.sse", '"usage":{');
    vi.stubGlobal("fetch", fetch);
    const { last, afterMs } = await hearAll(60_000);
    expect(last).toEqual(complete);
    expect(afterMs).toBeLessThan(10_000);
    await hungUp;
  });

  it("has answered in whole, too, where less silence than that is borne with", async () => {
    vi.stubGlobal("fetch", fallingSilent("openai-chat-choices.sse", '"usage":{').fetch);
    expect((await hearAll(1_000)).last).toEqual(complete);
  });

  it("has failed before the finish reason of each choice", async () => {
    vi.stubGlobal("fetch", fallingSilent("openai-chat-choices.sse", '"length"').fetch);
    expect(await hearAll(60_000)).toEqual({
      last: ["Error", "the model's server said nothing for 60 s", "LLM_TIMEOUT"],
      afterMs: expect.closeTo(60_000, -3),
    });
  });
});

it("rule 2: takes [DONE] for the end of what comes, not for a proof that each choice has said all", async () => {
  const parts = [0, 1].map((index) => ({ choices: [{ index, delta: { content: "Hi" } }] }));
  const body = [...parts.map((part) => JSON.stringify(part)), "[DONE]"].map((data) => `data: ${data}\n\n`);
  vi.stubGlobal("fetch", async () => {
    return new Response(body.join(""), { headers: { "content-type": "text/event-stream" } });
  });
  expect((await hearAll(60_000)).last).toEqual([
    "Error",
    "the model's server broke off in the middle of the answer",
    "LLM_ERROR",
  ]);
});

import { MemoryCancelFeed, MemoryLog, MemoryStreamLog } from "@sluice/memory";
import { splitPayload } from "@sluice/protocol";
import { readdirSync, readFileSync } from "node:fs";
import { beforeEach, expect, test } from "vitest";
import { streamLlmResponse } from "../examples/llm-response.ts";
import { pipeAnswer } from "../examples/piped-answer.ts";
import { StreamManager } from "./index.ts";

const EXAMPLES = new URL("../examples/", import.meta.url);

const unexpected = (error: unknown): never => expect.fail(String(error));

let log: MemoryLog;
let cancelFeed: MemoryCancelFeed;
let manager: StreamManager;

beforeEach(() => {
  log = new MemoryLog();
  cancelFeed = new MemoryCancelFeed();
  manager = new StreamManager({ log: new MemoryStreamLog(log), cancelFeed });
});

function typesOf(streamId: string): object[] {
  const messages = log.messages.filter((message) => message.streamId === streamId);
  const elements = messages.flatMap(({ payload }) => splitPayload(payload));
  return elements.map((element) => (element as { chunk_type: object }).chunk_type);
}

test("the README shows the examples as they are tested here", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  for (const file of readdirSync(EXAMPLES).filter((name) => name.endsWith(".ts"))) {
    const source = readFileSync(new URL(file, EXAMPLES), "utf8");
    expect(readme).toContain(`\`\`\`ts\n${source}\`\`\``);
  }
});

test("an LLM's answer streams on after its stream's id is known", async () => {
  const gate = Promise.withResolvers<void>();
  const llm = {
    async *completeStream(prompt: string) {
      await gate.promise;
      yield { type: "content", text: `${prompt}? ` } as const;
      yield { type: "content", text: "Yes." } as const;
      yield { type: "done", tokensUsed: 7 } as const;
    },
  };
  const streamId = await streamLlmResponse(manager, llm, "Really", unexpected);
  expect(typesOf(streamId)).toEqual([]);
  gate.resolve();
  await expect
    .poll(() => typesOf(streamId))
    .toEqual([
      { type: "Text", content: "Really? " },
      { type: "Text", content: "Yes." },
      { type: "Complete", summary: "Tokens used: 7" },
    ]);
});

test("an answer that is cancelled ends as cancelled, by hand and piped", async () => {
  const untilAborted = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
  const llm = {
    async *completeStream(_prompt: string, signal: AbortSignal) {
      yield { type: "content", text: "a" } as const;
      await untilAborted(signal);
    },
  };
  async function* words(signal: AbortSignal): AsyncGenerator<string> {
    yield "a";
    await untilAborted(signal);
  }
  const byHand = await streamLlmResponse(manager, llm, "", unexpected);
  const piped = pipeAnswer(manager, "piped", words);
  for (const streamId of [byHand, "piped"]) {
    await expect.poll(() => typesOf(streamId).length).toBe(1);
    await cancelFeed.tellProducer(streamId, "requested");
    await expect.poll(() => typesOf(streamId)[1]).toMatchObject({ type: "Error", code: "CANCELLED" });
  }
  expect(await piped).toEqual({ status: "cancelled", chunks: 1 });
});

import Anthropic from "@anthropic-ai/sdk";
import type { ChunkDraft } from "@sluice/core";
import * as fc from "fast-check";
import OpenAI from "openai";
import { expect, test, vi } from "vitest";
import { generated, habits, parts, toldBy } from "../test/answers.ts";
import {
  anthropicEvents,
  chatEvents,
  responsesEvents,
  type Habits,
  type Part,
} from "../transcripts/dialects.ts";
import { fromAnthropic } from "./anthropic.ts";
import { fromOpenAiChat } from "./openai-chat.ts";
import { requestOpenAiChat } from "./openai-compatible.ts";
import { fromOpenAiResponses } from "./openai-responses.ts";

/** A body that ends in good order, or is cut after so many bytes. */
const serving = (events: readonly string[], cut: number | null): typeof fetch => {
  const bytes = new TextEncoder().encode(events.join(""));
  const body = cut === null ? bytes : bytes.subarray(0, cut % (bytes.length + 1));
  return async () => new Response(body, { headers: { "content-type": "text/event-stream" } });
};

type Read = (fetch: typeof globalThis.fetch) => AsyncIterable<ChunkDraft>;

const byOpenAi: Read = (fetch) => {
  const client = new OpenAI({ apiKey: "k", maxRetries: 0, fetch, logLevel: "off" });
  return fromOpenAiChat(client.chat.completions.create({ model: "m", messages: [], stream: true }));
};
const byRawReader: Read = (fetch) => {
  vi.stubGlobal("fetch", fetch);
  return fromOpenAiChat(
    requestOpenAiChat(
      { baseUrl: "http://model.test/v1", apiKey: null, idleTimeoutMs: 10_000 },
      { model: "m" },
    ),
  );
};
const byResponses: Read = (fetch) => {
  const client = new OpenAI({ apiKey: "k", maxRetries: 0, fetch, logLevel: "off" });
  return fromOpenAiResponses(client.responses.create({ model: "m", input: "", stream: true }));
};
const byAnthropic: Read = (fetch) => {
  const client = new Anthropic({ apiKey: "k", maxRetries: 0, fetch, logLevel: "off" });
  return fromAnthropic(client.messages.create({ model: "m", max_tokens: 9, messages: [], stream: true }));
};

const dialects: [string, Read, (all: readonly Part[], how: Habits) => string[]][] = [
  [
    "chat completions by the library",
    byOpenAi,
    (all, how) => chatEvents(all, "stop", { ...how, done: how.done && "[DONE]" }),
  ],
  ["chat completions by the raw reader", byRawReader, (all, how) => chatEvents(all, "tool_calls", how)],
  ["Responses", byResponses, responsesEvents],
  ["Anthropic's messages", byAnthropic, (all, how) => anthropicEvents(all, "end_turn", how)],
];

test.each(dialects)(
  "%s: what is told is what was generated, whatever the server's habits",
  async (_name, read, write) => {
    await fc.assert(
      fc.asyncProperty(parts, habits, async (all, how) => {
        expect(await toldBy(read(serving(write(all, how), null)))).toEqual({
          ...generated(all),
          end: "Complete",
        });
      }),
      { numRuns: 300 },
    );
  },
);

test.each(dialects)(
  "%s: rule 2: an answer that is cut at any byte is told in whole or ends in an Error",
  async (_name, read, write) => {
    await fc.assert(
      fc.asyncProperty(parts, habits, fc.nat(), async (all, how, cut) => {
        const told = await toldBy(read(serving(write(all, how), cut)));
        const { text: whole, reasoning } = generated(all);
        const isWhole = told.end === "Complete";
        expect(told).toEqual(isWhole ? { ...generated(all), end: "Complete" } : { ...told, end: "Error" });
        // Half a character that was cut is told as one that can't be read.
        expect(whole.startsWith(told.text.replace(/\ufffd$/, ""))).toBe(true);
        expect(reasoning.startsWith(told.reasoning.replace(/\ufffd$/, ""))).toBe(true);
      }),
      { numRuns: 200 },
    );
  },
);

const errors = [
  { error: "GPU lost" },
  { error: { message: "GPU lost", type: "server_error", code: 500 } },
  { object: "error", message: "GPU lost", type: "InternalServerError", code: 500 },
  { detail: "GPU lost" },
  { message: "GPU lost" },
  { type: "error", error: { type: "api_error", message: "GPU lost" } },
  [{ error: { code: 500, message: "GPU lost" } }],
];

test.each(dialects)(
  "%s: rule 2: an error in any shape, at any place, ends the answer as one",
  async (name, read, write) => {
    await fc.assert(
      fc.asyncProperty(
        parts,
        habits,
        fc.nat(),
        fc.constantFrom(...errors),
        async (all, how, place, error) => {
          const events = write(all, how);
          const isNamed =
            name !== "chat completions by the library" && name !== "chat completions by the raw reader";
          const line = `${isNamed ? "event: error\n" : ""}data: ${JSON.stringify(error)}\n\n`;
          // After what says that nothing else comes nothing is read.
          const at = place % (events.findIndex((event) => event.includes("[DONE]")) + 1 || events.length);
          const told = await toldBy(read(serving(events.toSpliced(at, 0, line), null)));
          expect(told.end).toBe("Error");
        },
      ),
      { numRuns: 100 },
    );
  },
);

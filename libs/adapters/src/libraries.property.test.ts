import type { ChunkDraft } from "@sluice/core";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { generated, habits, parts, toldBy } from "../test/answers.ts";
import type { Habits, Part } from "../transcripts/dialects.ts";
import { aiSdkParts, langChainEvents, langGraphItems } from "../transcripts/library-dialects.ts";
import { fromAiSdk } from "./ai-sdk.ts";
import { fromLangChainEvents } from "./langchain.ts";
import { fromLangGraph } from "./langgraph.ts";

type Read = (items: AsyncIterable<never>) => AsyncIterable<ChunkDraft>;
type Write = (all: readonly Part[], how: Habits) => unknown[];

async function* given(items: readonly unknown[]): AsyncGenerator<never> {
  for (const item of items) yield item as never;
}

// LangChain's messages have no place of their own for citations.
const withoutCitations = parts.map((all) => all.filter(({ kind }) => kind !== "citation"));

const libraries: [string, Read, Write, fc.Arbitrary<Part[]>][] = [
  ["the AI SDK", fromAiSdk, aiSdkParts, parts],
  ["LangChain's events", fromLangChainEvents, langChainEvents, withoutCitations],
  ["LangGraph's messages", fromLangGraph, langGraphItems, withoutCitations],
];

test.each(libraries)(
  "%s: what is told is what was generated, and once, whatever the model's habits",
  async (_name, read, write, answers) => {
    await fc.assert(
      fc.asyncProperty(answers, habits, async (all, how) => {
        expect(await toldBy(read(given(write(all, how))))).toEqual({ ...generated(all), end: "Complete" });
      }),
      { numRuns: 300 },
    );
  },
);

test.each(libraries.filter(([name]) => !name.startsWith("LangGraph")))(
  "%s: rule 2: an answer that is cut anywhere is told in whole or ends in an Error",
  async (_name, read, write, answers) => {
    await fc.assert(
      fc.asyncProperty(answers, habits, fc.nat(), async (all, how, cut) => {
        const items = write(all, how);
        const told = await toldBy(read(given(items.slice(0, 1 + (cut % items.length)))));
        const { text, reasoning } = generated(all);
        const isWhole = told.end === "Complete";
        expect(told).toEqual(isWhole ? { ...generated(all), end: "Complete" } : { ...told, end: "Error" });
        expect(text.startsWith(told.text.replace(/\ufffd$/, ""))).toBe(true);
        expect(reasoning.startsWith(told.reasoning.replace(/\ufffd$/, ""))).toBe(true);
      }),
      { numRuns: 200 },
    );
  },
);

test("LangGraph: a graph that fails tells so by throwing, and its answer ends in an Error", async () => {
  await fc.assert(
    fc.asyncProperty(withoutCitations, habits, fc.nat(), async (all, how, cut) => {
      const items = langGraphItems(all, how);
      const failing = async function* (): AsyncGenerator<never> {
        yield* given(items.slice(0, cut % items.length));
        throw new Error("the node failed");
      };
      expect((await toldBy(fromLangGraph(failing()))).end).toBe("Error");
    }),
    { numRuns: 100 },
  );
});

import type { ChunkDraft } from "@sluice/core";
import * as fc from "fast-check";
import { expect } from "vitest";
import type { Habits, Part } from "../transcripts/dialects.ts";

/** Answers and servers' habits for properties, and what an adapter told of an answer, in a form that compares. */

const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const part = fc.oneof<fc.Arbitrary<Part>[]>(
  fc.record({ kind: fc.constant("text" as const), text }),
  fc.record({ kind: fc.constant("reasoning" as const), text }),
  fc.record({
    kind: fc.constant("call" as const),
    name: fc.constantFrom("add", "look_up", "noop"),
    args: fc.dictionary(fc.constantFrom("a", "b", "city"), text, { maxKeys: 2 }),
  }),
  fc.record({ kind: fc.constant("citation" as const), url: fc.webUrl() }),
);
export const parts = fc.array(part, { maxLength: 6 });

export const habits: fc.Arbitrary<Habits> = fc.record({
  pieceLength: fc.constantFrom(1, 2, 5, 100),
  noReason: fc.constantFrom("" as const, null, undefined),
  ids: fc.constantFrom("once", "repeated", "changing", "none", "empty", "constant"),
  indexes: fc.constantFrom("right", "zero", "absent"),
  args: fc.constantFrom("pieces", "whole", "object"),
  repeatsName: fc.boolean(),
  content: fc.constantFrom("text", "blocks", "message"),
  reasoning: fc.constantFrom("reasoning_content", "reasoning", "both", "reasoning_details", "blocks"),
  keepAlive: fc.constantFrom("", ": keep-alive\n\n"),
  newline: fc.constantFrom("\n" as const, "\r\n" as const),
  usage: fc.constantFrom("last", "none", "each"),
  done: fc.constantFrom("[DONE]" as const, " [DONE] " as const, null),
  wholes: fc.constantFrom("after", "instead", "none"),
  places: fc.constantFrom("right", "zero", "absent"),
});

export interface Told {
  text: string;
  reasoning: string;
  calls: unknown[];
  citations: number;
  unknown: unknown[];
  end: string;
}

export const generated = (all: readonly Part[]): Omit<Told, "end"> => ({
  text: all.map((one) => (one.kind === "text" ? one.text : "")).join(""),
  reasoning: all.map((one) => (one.kind === "reasoning" ? one.text : "")).join(""),
  calls: all.flatMap((one) => (one.kind === "call" ? [[one.name, one.args]] : [])),
  citations: new Set(all.flatMap((one) => (one.kind === "citation" ? [one.url] : []))).size,
  unknown: [],
});

export async function toldBy(chunks: AsyncIterable<ChunkDraft>): Promise<Told> {
  const told: Told = { text: "", reasoning: "", calls: [], citations: 0, unknown: [], end: "" };
  const citations = new Set<string>();
  const started: unknown[] = [];
  for await (const { chunk_type: chunk } of chunks) {
    expect(JSON.stringify(chunk).isWellFormed() && !/\\ud[89a-f]/.test(JSON.stringify(chunk))).toBe(true);
    if (chunk.type === "Text") told.text += chunk.content;
    else if (chunk.type === "Complete" || chunk.type === "Error") told.end += chunk.type;
    else if (chunk.type === "Event") {
      const payload = chunk.payload as Record<string, unknown>;
      if (chunk.event_type === "reasoning_delta") told.reasoning += String(payload["text"]);
      else if (chunk.event_type === "citation") citations.add(JSON.stringify(payload));
      else if (chunk.event_type === "tool_call_started") started.push(payload["tool_call_id"]);
      else if (chunk.event_type === "tool_call_completed") {
        told.calls.push([payload["tool_call_id"], payload["name"], payload["arguments"]]);
      } else if (chunk.event_type === "unknown_part") told.unknown.push(payload);
    }
  }
  const completed = (told.calls as unknown[][]).map(([id]) => id);
  expect(completed.filter((id) => !started.includes(id))).toEqual([]);
  // In the order in which they began; each once, under an id of its own.
  expect(new Set(started).size).toBe(started.length);
  const inOrder = (told.calls as unknown[][]).toSorted(
    (x, y) => started.indexOf(x[0]) - started.indexOf(y[0]),
  );
  return { ...told, calls: inOrder.map(([, ...call]) => call), citations: citations.size };
}

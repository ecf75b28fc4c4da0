import * as fc from "fast-check";
import { bareMessage } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import { chunkJsonHead } from "./chunk-json.ts";
import { MAX_CHUNK_BYTES } from "./chunk-schema.ts";
import { compactFrames } from "./compact-frames.ts";
import { decodeMessage } from "./message-decoder.ts";
import { cachedFrames } from "./sse-frames.ts";

interface Draft {
  chunk_type: object;
  data?: unknown;
  metadata?: object;
}

interface Told {
  sequence: number;
  first_sequence?: number;
  chunk_type: { type: string; content: string };
}

const text = (content: string, more: object = {}): Draft => ({
  chunk_type: { type: "Text", content },
  ...more,
});

/** As the cache has them, from the sequence 11 on. */
function cached(drafts: readonly Draft[]) {
  const { elements } = decodeMessage(
    bareMessage(JSON.stringify(drafts), { timestampMs: 5 }),
    MAX_CHUNK_BYTES,
  );
  return elements.map((element, index) => ({
    sequence: 11 + index,
    json: Buffer.from(element.kind === "chunk" ? chunkJsonHead("s", 11 + index) + element.body : ""),
  }));
}

function compact(drafts: readonly Draft[]): Told[] {
  return Buffer.from(compactFrames("s", cached(drafts)))
    .toString()
    .split("\n\n")
    .filter((frame) => frame.includes("data: "))
    .map((frame) => JSON.parse(frame.slice(frame.indexOf("data: ") + 6)) as Told);
}

const rangesOf = (told: readonly Told[]) =>
  told.map(({ sequence, first_sequence }) => [first_sequence ?? sequence, sequence]);

describe("compact frames", () => {
  test("join runs of texts, and tell of everything else as it is", () => {
    const told = compact([
      text("a"),
      text("b"),
      { chunk_type: { type: "Json", data: { content: '"}' } } },
      text("c"),
      { chunk_type: { type: "Complete", summary: "d" } },
    ]);
    expect(rangesOf(told)).toEqual([
      [11, 12],
      [13, 13],
      [14, 14],
      [15, 15],
    ]);
    expect(told[0]?.chunk_type).toEqual({ type: "Text", content: "ab" });
  });

  test("don't join texts that differ in data or metadata: nothing may be lost but the times", () => {
    const told = compact([
      text("a", { data: 1 }),
      text("b", { data: 2 }),
      text("c", { data: 2 }),
      text("d", { data: 2, metadata: { source: "x" } }),
    ]);
    expect(rangesOf(told)).toEqual([
      [11, 11],
      [12, 13],
      [14, 14],
    ]);
  });

  test("don't join across a refused element, whose placeholder stays", () => {
    const chunks = [...cached([text("a"), text("b")]), { sequence: 13, json: new Uint8Array() }];
    const frames = Buffer.from(compactFrames("s", chunks)).toString();
    expect(frames).toMatch(/^id: 12\n/);
    expect(frames.endsWith("\n\nid: 13\n\n")).toBe(true);
  });

  test("are the usual frames where there is nothing to join", () => {
    const chunks = cached([text("a"), { chunk_type: { type: "Progress", current: 1 } }]);
    const usual = cachedFrames("s", chunks);
    expect(Buffer.from(compactFrames("s", chunks))).toEqual(usual);
  });

  test("hold the same text, whatever characters it has, and every sequence once", () => {
    const content = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        '"',
        "\\",
        '\\"',
        '","data":null',
        '"timestamp":1',
        "\n\n",
        "\ud83d",
        "\ude00",
        "\u2028",
      ),
    );
    fc.assert(
      fc.property(fc.array(content, { minLength: 1, maxLength: 20 }), (contents) => {
        const [told, ...others] = compact(contents.map((one) => text(one)));
        expect(others).toEqual([]);
        expect(rangesOf([told!])).toEqual([[11, 10 + contents.length]]);
        // Half a character is none to readers in other languages: it is U+FFFD from the log on.
        expect(told?.chunk_type.content).toBe(contents.map((one) => one.toWellFormed()).join(""));
      }),
    );
  });
});

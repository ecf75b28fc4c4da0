import type { ChunkType, LogElement } from "@sluice/core";
import * as fc from "fast-check";
import { bareMessage } from "@sluice/testing";
import { describe, expect, it } from "vitest";
import { chunkJsonHead, eventNameOf } from "./chunk-json.ts";
import { decodeMessage } from "./message-decoder.ts";
import { cachedFrames, deletedFrame, elementFrames, gapFrame, resetFrame, retryFrame } from "./sse-frames.ts";

const elementsOf = (chunks: readonly unknown[]): readonly LogElement[] =>
  decodeMessage(bareMessage(JSON.stringify(chunks)), Infinity).elements;
/** As the cache holds it. */
const cached = (streamId: string, sequence: number, element: LogElement) => ({
  sequence,
  json: Buffer.from(element.kind === "chunk" ? chunkJsonHead(streamId, sequence) + element.body : ""),
});

const EVERY_TYPE = {
  text: { type: "Text", content: "" },
  json: { type: "Json", data: null },
  event: { type: "Event", event_type: "e", payload: [] },
  progress: { type: "Progress", current: 1 },
  error: { type: "Error", error: "e", code: "c" },
  complete: { type: "Complete" },
} satisfies Record<Lowercase<Exclude<ChunkType["type"], "Heartbeat">>, object>;
const AWKWARD = [
  "line\nbreak\r\n",
  "\u2028 \u2029",
  "💥 👩‍👩‍👧",
  "\0 and \u0007",
  "data: x\n\nid: 9",
  '"quoted" \\',
  "\ud800 alone",
  "é",
];

describe("frames of chunks", () => {
  it("name the event after the chunk's type, in whatever order its fields came", () => {
    for (const [name, chunk] of Object.entries(EVERY_TYPE)) {
      const backwards = Object.fromEntries(Object.entries(chunk).toReversed());
      const [element] = elementsOf([backwards]);
      expect(elementFrames("s", 3, [element!])).toContain(
        `id: 3\nevent: ${name}\ndata: {"stream_id":"s","sequence":3,`,
      );
      expect(eventNameOf(cached("a-longer-id", 12_345, element!).json, "a-longer-id", 12_345)).toBe(name);
    }
  });

  it("are the same bytes from the cache as from the live feed", () => {
    const content = fc.oneof(fc.constantFrom(...AWKWARD), fc.string({ unit: "binary" }));
    const chunk = fc.oneof(
      content.map((content) => ({ type: "Text", content })),
      fc.jsonValue().map((data) => ({ type: "Json", data })),
      fc.constantFrom(...Object.values(EVERY_TYPE)),
      fc.constant("refused"),
    );
    const streamId = fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/);
    fc.assert(
      fc.property(
        streamId,
        fc.integer({ min: 1, max: 2 ** 52 }),
        fc.array(chunk),
        (streamId, first, chunks) => {
          const elements = elementsOf(chunks);
          const replayed = cachedFrames(
            streamId,
            elements.map((element, index) => cached(streamId, first + index, element)),
          );
          expect(Buffer.from(replayed).toString()).toBe(elementFrames(streamId, first, elements));
        },
      ),
    );
  });

  it("are one data line each, whatever the chunk holds, which parses to the chunk", () => {
    for (const content of AWKWARD) {
      const frame = elementFrames("s", 1, elementsOf([{ type: "Text", content }]));
      const lines = frame.split(/\r\n|\n|\r/);
      expect(lines).toHaveLength(5);
      const chunk = JSON.parse(lines[2]!.slice("data: ".length)) as { chunk_type: { content: string } };
      expect(chunk.chunk_type.content).toBe(content.toWellFormed());
    }
  });

  it("move the reader's position past a refused element and show nothing", () => {
    const refused: LogElement = { kind: "rejected", reason: "x" };
    expect(elementFrames("s", 4, [refused, refused])).toBe("id: 4\n\nid: 5\n\n");
    expect(Buffer.from(cachedFrames("s", [cached("s", 4, refused)])).toString()).toBe("id: 4\n\n");
  });

  it("write numbers after a jump without exponent", () => {
    const [element] = elementsOf([EVERY_TYPE.text]);
    expect(elementFrames("s", 2 ** 53 - 1, [element!])).toContain(
      'id: 9007199254740991\nevent: text\ndata: {"stream_id":"s","sequence":9007199254740991,',
    );
  });
});

describe("frames of our own", () => {
  it("tell a gap, under the last missing number", () => {
    expect(gapFrame({ streamId: "s", from: 3, to: 9, reason: "expired" })).toBe(
      'id: 9\nevent: gap\ndata: {"stream_id":"s","from":3,"to":9,"reason":"expired"}\n\n',
    );
  });

  it("tell a reset, under the number to go on after", () => {
    expect(resetFrame({ streamId: "s", cursor: 9, head: 4 })).toBe(
      'id: 4\nevent: gap\ndata: {"stream_id":"s","reset":true,"cursor":9,"head":4,"reason":"cursor_ahead"}\n\n',
    );
  });

  it("tell a deletion, and how long to wait before a reconnect, in whole ms", () => {
    expect(deletedFrame("s", 7)).toBe('id: 7\nevent: deleted\ndata: {"stream_id":"s","sequence":7}\n\n');
    expect(retryFrame(1234.5)).toBe("retry: 1235\n\n");
  });
});

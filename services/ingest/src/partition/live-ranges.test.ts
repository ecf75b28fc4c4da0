import type { LogEntry } from "@sluice/core";
import { expect, test } from "vitest";
import { liveRangesOf } from "./live-ranges.ts";

function entry(streamId: string, bodies: string[], isTombstone = false): LogEntry {
  return {
    streamId,
    brokerSequence: 1,
    timestampMs: 0,
    firstSequence: null,
    isTombstone,
    options: null,
    beatIntervalMs: null,
    elements: bodies.map((content) => ({
      kind: "chunk",
      body: `"chunk_type":{"type":"Text","content":"${content}"}}`,
      endStatus: null,
      cacheTtlSeconds: null,
    })),
  };
}

test("consecutive entries of a stream become one range, others in between do not break it", () => {
  const ranges = liveRangesOf(
    [entry("a", ["1", "2"]), entry("b", ["x"]), entry("a", ["3"])],
    [
      { first: 1, count: 2, status: "open" },
      { first: 7, count: 1, status: "completed" },
      { first: 3, count: 1, status: "open" },
    ],
  );
  expect(ranges.map(({ streamId, range }) => [streamId, range.first, range.last, range.isTerminal])).toEqual([
    ["a", 1, 3, false],
    ["b", 7, 7, true],
  ]);
  expect(Buffer.from(ranges[0]?.range.frames ?? []).toString()).toContain(
    'id: 3\nevent: text\ndata: {"stream_id":"a","sequence":3,',
  );
});

test("a jump in the numbers starts a new range", () => {
  const ranges = liveRangesOf(
    [entry("a", ["1"]), entry("a", ["2"])],
    [
      { first: 1, count: 1, status: "open" },
      { first: 2048, count: 1, status: "open" },
    ],
  );
  expect(ranges.map(({ range }) => [range.first, range.last])).toEqual([
    [1, 1],
    [2048, 2048],
  ]);
});

test("duplicates and what came after the end are told to nobody", () => {
  expect(liveRangesOf([entry("a", ["1"])], [{ first: 1, count: 0, status: "completed" }])).toEqual([]);
});

test("only the elements that were numbered are told, not those behind the terminal one", () => {
  const [told] = liveRangesOf([entry("a", ["1", "2", "3"])], [{ first: 5, count: 2, status: "completed" }]);
  expect(told?.range.last).toBe(6);
  expect(Buffer.from(told?.range.frames ?? []).toString()).not.toContain("id: 7");
});

test("a tombstone is told as a deleted event that ends the stream", () => {
  const [told] = liveRangesOf([entry("a", [], true)], [{ first: 9, count: 1, status: "deleted" }]);
  expect(told?.range).toMatchObject({ first: 9, last: 9, isTerminal: true });
  expect(Buffer.from(told?.range.frames ?? []).toString()).toBe(
    'id: 9\nevent: deleted\ndata: {"stream_id":"a","sequence":9}\n\n',
  );
});

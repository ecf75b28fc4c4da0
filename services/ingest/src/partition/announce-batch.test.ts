import type { AppliedEntry, LogEntry } from "@sluice/core";
import { bareMessage, logEntry } from "@sluice/testing";
import { expect, test } from "vitest";
import { liveHeartbeatsOf, liveRangesOf } from "./announce-batch.ts";
import { appliedMessages, type AppliedMessage } from "./batches.ts";

function applied(entries: readonly LogEntry[], outcomes: readonly Partial<AppliedEntry>[]): AppliedMessage[] {
  const rest = { first: 1, count: 0, status: "open", isDuplicate: false } as const;
  return appliedMessages(
    entries.map((entry) => ({ message: bareMessage(""), entry })),
    outcomes.map((outcome) => ({ ...rest, chunkCount: 0, byteCount: 0, createdMs: 0, ...outcome })),
  );
}

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

const rangesOf = (...args: Parameters<typeof applied>) => liveRangesOf(applied(...args));

test("consecutive entries of a stream become one range, others in between do not break it", () => {
  const ranges = rangesOf(
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
  const ranges = rangesOf(
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
  expect(rangesOf([entry("a", ["1"])], [{ first: 1, count: 0, status: "completed" }])).toEqual([]);
});

test("only the elements that were numbered are told, not those behind the terminal one", () => {
  const [told] = rangesOf([entry("a", ["1", "2", "3"])], [{ first: 5, count: 2, status: "completed" }]);
  expect(told?.range.last).toBe(6);
  expect(Buffer.from(told?.range.frames ?? []).toString()).not.toContain("id: 7");
});

test("a tombstone is told as a deleted event that ends the stream", () => {
  const [told] = rangesOf([entry("a", [], true)], [{ first: 9, count: 1, status: "deleted" }]);
  expect(told?.range).toMatchObject({ first: 9, last: 9, isTerminal: true });
  expect(Buffer.from(told?.range.frames ?? []).toString()).toBe(
    'id: 9\nevent: deleted\ndata: {"stream_id":"a","sequence":9}\n\n',
  );
});

const beating = (streamId: string, heartbeat: string): LogEntry => ({
  ...logEntry(1, { streamId }),
  heartbeat: `"n":"${heartbeat}"}`,
});

function framesOf(...args: Parameters<typeof applied>): [string, string][] {
  return [...liveHeartbeatsOf(applied(...args))].map(([streamId, frame]) => [
    streamId,
    Buffer.from(frame).toString(),
  ]);
}

test("the last heartbeat of each stream goes to its readers, without a number", () => {
  const entries = [beating("a", "1"), beating("b", "2"), beating("a", "3"), logEntry(1, { streamId: "a" })];
  expect(framesOf(entries, [{}, {}, {}, {}])).toEqual([
    ["a", 'event: heartbeat\ndata: {"stream_id":"a","n":"3"}\n\n'],
    ["b", 'event: heartbeat\ndata: {"stream_id":"b","n":"2"}\n\n'],
  ]);
});

test("none goes to the readers of a stream that has ended, and none that was applied before", () => {
  const ended = { status: "completed" } as const;
  expect(framesOf([beating("a", "1"), logEntry(2, { streamId: "a" })], [{}, ended])).toEqual([]);
  expect(framesOf([beating("a", "1")], [{ isDuplicate: true }])).toEqual([]);
});

test("a cache that answers for fewer messages than it was given is a broken invariant", () => {
  expect(() => applied([entry("a", ["1"])], [])).toThrow("fewer entries");
});

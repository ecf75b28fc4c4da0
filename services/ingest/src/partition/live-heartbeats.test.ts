import type { LogEntry } from "@sluice/core";
import { logEntry } from "@sluice/testing";
import { expect, test } from "vitest";
import { liveHeartbeatsOf } from "./live-heartbeats.ts";

const open = { status: "open", isDuplicate: false } as const;

const beating = (streamId: string, heartbeat: string): LogEntry => ({
  ...logEntry(1, { streamId }),
  heartbeat: `"n":"${heartbeat}"}`,
});

function framesOf(...args: Parameters<typeof liveHeartbeatsOf>): [string, string][] {
  return [...liveHeartbeatsOf(...args)].map(([streamId, frame]) => [streamId, Buffer.from(frame).toString()]);
}

test("the last heartbeat of each stream goes to its readers, without a number", () => {
  const entries = [beating("a", "1"), beating("b", "2"), beating("a", "3"), logEntry(1, { streamId: "a" })];
  expect(framesOf(entries, [open, open, open, open])).toEqual([
    ["a", 'event: heartbeat\ndata: {"stream_id":"a","n":"3"}\n\n'],
    ["b", 'event: heartbeat\ndata: {"stream_id":"b","n":"2"}\n\n'],
  ]);
});

test("none goes to the readers of a stream that has ended, and none that was applied before", () => {
  const ended = { status: "completed", isDuplicate: false } as const;
  expect(framesOf([beating("a", "1"), logEntry(2, { streamId: "a" })], [open, ended])).toEqual([]);
  expect(framesOf([beating("a", "1")], [{ ...open, isDuplicate: true }])).toEqual([]);
});

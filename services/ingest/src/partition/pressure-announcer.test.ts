import type { PartitionPressure } from "@sluice/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PartitionLag } from "../metrics.ts";
import { PressureAnnouncer } from "./pressure-announcer.ts";

const SECOND_MS = 1_000;

let lags: PartitionLag[];
let fullness: number;
let told: PartitionPressure[];
let announcer: PressureAnnouncer;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
  [lags, fullness, told] = [[lagOf(0, 0), lagOf(1, 0)], 0, []];
  announcer = new PressureAnnouncer({
    feed: { publishPressure: (pressure) => void told.push(pressure) },
    log: { fullness: async () => fullness },
    lags: () => lags,
  });
});
afterEach(() => {
  announcer.close();
  vi.useRealTimers();
});

function lagOf(partition: number, ms: number): PartitionLag {
  return { partition, messages: 1, ms };
}

test("says nothing while all partitions keep up and the log has room", async () => {
  lags = [lagOf(0, 999), lagOf(1, Infinity)];
  fullness = 0.8;
  await vi.advanceTimersByTimeAsync(20 * SECOND_MS);
  expect(told).toEqual([]);
});

test("tells of a partition that is more than a second behind, each second, and once when that is over", async () => {
  lags = [lagOf(0, 0), lagOf(1, 1_500)];
  await vi.advanceTimersByTimeAsync(2 * SECOND_MS);
  lags = [lagOf(0, 0), lagOf(1, 20)];
  await vi.advanceTimersByTimeAsync(5 * SECOND_MS);
  expect(told).toEqual([
    { partition: 1, lagMs: 1_500, fullness: 0 },
    { partition: 1, lagMs: 1_500, fullness: 0 },
    { partition: 1, lagMs: 20, fullness: 0 },
  ]);
});

test("tells of a log that fills up on all its partitions, and once when there is room again", async () => {
  fullness = 0.9;
  await vi.advanceTimersByTimeAsync(2 * SECOND_MS);
  expect(told).toEqual([
    { partition: 0, lagMs: 0, fullness: 0.9 },
    { partition: 1, lagMs: 0, fullness: 0.9 },
  ]);
  fullness = 0.5;
  await vi.advanceTimersByTimeAsync(10 * SECOND_MS);
  const last = told.length;
  expect(told.slice(-2).map((pressure) => pressure.fullness)).toEqual([0.5, 0.5]);
  await vi.advanceTimersByTimeAsync(5 * SECOND_MS);
  expect(told.length).toBe(last);
});

test("leaves a partition that was handed over to its new owner", async () => {
  lags = [lagOf(1, 5_000)];
  await vi.advanceTimersByTimeAsync(SECOND_MS);
  lags = [];
  await vi.advanceTimersByTimeAsync(SECOND_MS);
  lags = [lagOf(1, 0)];
  await vi.advanceTimersByTimeAsync(SECOND_MS);
  expect(told.length).toBe(1);
});

import { expect, test } from "vitest";
import type { ServiceRow } from "./control.ts";
import { Samples, WINDOW_MS } from "./samples.ts";

function edge(instance: string, figures: Record<string, number>): ServiceRow {
  return { service: "edge", instance, started_ms: 0, figures, partitions: [] };
}

test("a rate is what all instances did since the sample before, by the second", () => {
  const samples = new Samples();
  samples.add([edge("a", { chunks_sent: 100 }), edge("b", { chunks_sent: 1_000 })], 10_000);
  samples.add([edge("a", { chunks_sent: 300 }), edge("b", { chunks_sent: 1_100 })], 12_000);
  expect(samples.all.map(({ sentRate }) => sentRate)).toEqual([null, 150]);
});

test("an instance that went away or began anew makes no rate negative, and a new one counts from zero", () => {
  const samples = new Samples();
  samples.add([edge("a", { chunks_sent: 500 }), edge("b", { chunks_sent: 900 })], 1_000);
  samples.add([edge("a", { chunks_sent: 20 }), edge("c", { chunks_sent: 60 })], 2_000);
  expect(samples.all.at(-1)?.sentRate).toBe(60);
});

test("after a pause no rate is told, and what has left the window is dropped", () => {
  const samples = new Samples();
  samples.add([edge("a", { chunks_sent: 1 })], 0);
  samples.add([edge("a", { chunks_sent: 2 })], WINDOW_MS + 1);
  expect(samples.all.map(({ timeMs, sentRate }) => [timeMs, sentRate])).toEqual([[WINDOW_MS + 1, null]]);
});

test("the lag is that of the slowest edge, and unknown where nobody sent anything", () => {
  const samples = new Samples();
  samples.add([edge("a", { lag_p99_ms: 4 }), edge("b", { lag_p99_ms: 9 })], 1_000);
  samples.add([edge("a", {}), edge("b", {})], 2_000);
  expect(samples.all.map(({ lagP99Ms }) => lagP99Ms)).toEqual([9, null]);
});

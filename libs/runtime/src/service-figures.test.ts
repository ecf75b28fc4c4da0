import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { quantileOf, ServiceFigures, type FigureSources } from "./service-figures.ts";

const SOURCES = {
  sent: { kind: "sum", series: "sent_total" },
  batches: { kind: "sum", series: "batch_size_count" },
  lag_ms: { kind: "largest-ms", series: "partition_lag_seconds" },
  lag_p50_ms: { kind: "quantile-ms", metric: "lag_seconds", quantile: 0.5 },
  lag_p99_ms: { kind: "quantile-ms", metric: "lag_seconds", quantile: 0.99 },
} as const satisfies FigureSources;

const registers = [new Registry()];
const sent = new Counter({ name: "sent_total", help: ".", labelNames: ["code"], registers });
const batches = new Histogram({ name: "batch_size", help: ".", buckets: [1, 2], registers });
const partitionLag = new Gauge({ name: "partition_lag_seconds", help: ".", labelNames: ["p"], registers });
const lag = new Histogram({ name: "lag_seconds", help: ".", buckets: [0.01, 0.1, 1], registers });

let figures: ServiceFigures;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  registers[0]!.resetMetrics();
  figures = new ServiceFigures(registers[0]!, SOURCES);
});
afterEach(() => {
  figures.close();
  vi.useRealTimers();
});

test("counters are summed over their labels, and of gauges the largest counts", async () => {
  sent.inc({ code: "a" }, 2);
  sent.inc({ code: "b" }, 3);
  batches.observe(2);
  batches.observe(7);
  partitionLag.set({ p: "1" }, 0.25);
  partitionLag.set({ p: "2" }, 0.5);
  expect(await figures.read()).toMatchObject({ sent: 5, batches: 2, lag_ms: 500 });
});

test("every process tells its memory and how late its event loop is", async () => {
  const { rss_bytes: rss, event_loop_delay_p99_ms: delay } = await figures.read();
  expect(rss).toBeGreaterThan(1_000_000);
  expect(delay).toBeGreaterThanOrEqual(0);
});

test("what can't be told is left out, since JSON has no word for it", async () => {
  partitionLag.set({ p: "1" }, Infinity);
  const known = Object.keys(await figures.read());
  expect(known).toEqual(["rss_bytes", "event_loop_delay_p99_ms", "sent", "batches"]);
});

test("quantiles are of what was observed lately, not since the start", async () => {
  for (let count = 0; count < 1_000; count++) lag.observe(0.5);
  expect((await figures.read())["lag_p50_ms"]).toBeGreaterThan(100);
  vi.advanceTimersByTime(11_000);
  lag.observe(0.005);
  expect((await figures.read())["lag_p99_ms"]).toBeLessThan(10);
  vi.advanceTimersByTime(2_000);
  lag.observe(0.5);
  expect((await figures.read())["lag_p99_ms"]).toBeGreaterThan(100);
  vi.advanceTimersByTime(11_000);
  await figures.read();
  vi.advanceTimersByTime(11_000);
  expect(await figures.read()).not.toHaveProperty("lag_p99_ms");
});

test("a figure of a metric that doesn't exist fails, rather than stand still at nothing", async () => {
  const wrong = new ServiceFigures(registers[0]!, { typo: { kind: "sum", series: "sent" } });
  await expect(wrong.read()).rejects.toThrow("there is no metric sent");
  wrong.close();
});

test("a quantile is interpolated within its bucket, and beyond the last bound it is that bound", () => {
  const buckets = [
    [10, 50],
    [20, 100],
    [Infinity, 200],
  ] as const;
  expect(quantileOf(buckets, 0.25)).toBe(10);
  expect(quantileOf(buckets, 0.375)).toBe(15);
  expect(quantileOf(buckets, 0.99)).toBe(20);
  expect(quantileOf([], 0.5)).toBeNaN();
});

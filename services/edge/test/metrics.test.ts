import { memoryEdgePorts } from "@sluice/testing";
import { createLogger, createRegistry, defaultSettings } from "@sluice/runtime";
import { expect, test } from "vitest";
import { Hub } from "../src/stream/hub.ts";
import { PageReads } from "../src/stream/page-reads.ts";
import { StreamLookup } from "../src/stream/stream-lookup.ts";
import { createEdgeMetrics, registerEdgeGauges } from "../src/metrics.ts";
import { edgeConfigSchema } from "../src/config.ts";
import { startBench } from "./edge-bench.ts";

const start = () => startBench(memoryEdgePorts());

test("the numbers of the original design are there: streams, chunks, bytes, average size, hit rate, reconnections, backpressure", async () => {
  await using bench = await start();
  const metric = (name: string): Promise<number> => bench.metric(name);
  await bench.ingest.create("s");
  await bench.ingest.publish("s", ["1", "2", "3"]);
  const reader = await bench.open("/streams/s/events");
  await reader.untilSequence(3);
  const resumed = await bench.open("/streams/s/events", { "Last-Event-ID": "1" });
  await resumed.untilSequence(3);
  await bench.ingest.publish("s", ["4"]);
  await resumed.untilSequence(4);
  await reader.untilSequence(4);
  expect(await metric("sluice_edge_streams")).toBe(1);
  expect(await metric("sluice_edge_subscribers")).toBe(2);
  expect(await metric("sluice_edge_opened_total")).toBe(2);
  expect(await metric("sluice_edge_chunks_sent_total")).toBe(7);
  const bytes = await metric("sluice_edge_sent_bytes_total");
  expect(bytes).toBeGreaterThan(7 * 150);
  expect(await metric("sluice_edge_chunk_bytes_average")).toBeCloseTo(bytes / 7);
  expect(await metric("sluice_edge_cache_hit_ratio")).toBe(1);
  expect(await metric("sluice_edge_reconnection_ratio")).toBe(0.5);
  expect(await metric("sluice_edge_backpressure_events_total")).toBe(0);
  const exposed = await bench.registry.metrics();
  expect(exposed).toMatch(/sluice_edge_replay_chunks_sum\{[^}]*\} 5\n/);
  expect(exposed).toMatch(/sluice_edge_replay_seconds_count\{[^}]*\} 2\n/);
  expect(exposed).toMatch(/sluice_edge_live_lag_seconds_count\{[^}]*\} [1-9]/);
  expect(exposed).toContain("sluice_process_nodejs_eventloop_lag_p99_seconds");
});

test("a registry is as large after 500 streams that were read to their end as after ten", async () => {
  await using bench = await start();
  const { ingest } = bench;
  const seriesAfter = async (streams: number, prefix: string): Promise<number> => {
    for (let number = 0; number < streams; number++) {
      const streamId = `${prefix}-${number}`;
      await ingest.create(streamId);
      await ingest.publish(streamId, ["1"]);
      const reader = await bench.open(`/streams/${streamId}/events`);
      await reader.untilSequence(1);
      await ingest.publish(streamId, ["2"], "completed");
      await reader.untilEnd();
    }
    return countSeries(await bench.registry.metrics());
  };
  const few = await seriesAfter(10, "few");
  expect(few).toBeGreaterThan(50);
  expect(await seriesAfter(500, "many")).toBe(few);
});

function countSeries(metrics: string): number {
  return metrics.split("\n").filter((line) => line.startsWith("sluice_edge_")).length;
}

test("a registry is as large after 100,000 streams that nobody has as after a hundred", async () => {
  const { bus, cache, edgeFeed: liveFeed } = memoryEdgePorts();
  const registry = createRegistry("edge");
  const settings = { ...defaultSettings(edgeConfigSchema), feedLingerMs: 0, barrierTimeoutMs: 1_000 };
  const metrics = createEdgeMetrics(registry);
  const answers = [0, 1, 2, 3].map((partition) => liveFeed.answerBarriers(partition));
  for (const partition of [0, 1, 2, 3])
    answers.push(liveFeed.answerRebuilds(partition, async () => ({ kind: "unknown" })));
  const budget = { total: 1e6, perAddress: 1e6, perStream: 1e6 };
  const reads = new PageReads({ cache, budget, maxWaiting: 1e6, timeoutMs: 60_000, metrics });
  const lookup = new StreamLookup({ reads, liveFeed, partitions: 4, settings, metrics });
  const hub = new Hub({ liveFeed, lookup, settings, metrics, logger: createLogger("edge", "silent") });
  registerEdgeGauges(registry, {
    connections: () => 0,
    streams: () => hub.size,
    subscribers: () => hub.countListeners(),
    reads: () => reads.counts,
    sockets: () => [],
  });
  const seriesAfter = async (streams: number, prefix: string): Promise<number> => {
    for (let at = 0; at < streams; at += 1_000) {
      const joined = Array.from({ length: Math.min(1_000, streams - at) }, (_, index) => {
        return hub.join(`${prefix}-${at + index}`, {
          start: { kind: "after", sequence: 0 },
          isCompact: false,
          address: "",
        });
      });
      for (const subscriber of joined) expect(await subscriber.open(false)).toBeNull();
      for (const subscriber of joined) subscriber.leave();
    }
    return countSeries(await registry.metrics());
  };
  const few = await seriesAfter(100, "few");
  expect(few).toBeGreaterThan(50);
  expect(await seriesAfter(100_000, "many")).toBe(few);
  expect(hub.size).toBe(0);
  hub.close();
  reads.close();
  for (const answer of answers) answer.close();
  expect(bus.openSubscriptions).toBe(0);
}, 120_000);

import { memoryEdgePorts } from "@sluice/testing";
import { expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { sequencesTo, startBench } from "./edge-bench.ts";

function start(settings: Partial<EdgeSettings> = {}) {
  return startBench(memoryEdgePorts(), settings);
}

test("a draining edge closes its readers one after another, each told when to come again, none with a loss", async () => {
  await using bench = await start({ drainTimeoutMs: 600, retryMs: 1_000 });
  const { ingest, edge } = bench;
  await ingest.create("s");
  const readers = await Promise.all(sequencesTo(30).map(() => bench.open("/streams/s/events")));
  const endedAtMs: number[] = [];
  const endings = readers.map(async (reader) => {
    await reader.untilEnd();
    endedAtMs.push(performance.now());
  });
  let published = 0;
  const begunMs = performance.now();
  const draining = edge.drain();
  expect(edge.problem()).toBe("draining");
  while (edge.counts().connections > 0) {
    await ingest.publish("s", ["x"]);
    published++;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await draining;
  await Promise.all(endings);
  const first = Math.min(...endedAtMs) - begunMs;
  const last = Math.max(...endedAtMs) - begunMs;
  expect(first).toBeLessThan(300);
  expect(last - first).toBeGreaterThan(300);
  for (const reader of readers) {
    expect(reader.sequences).toEqual(sequencesTo(reader.sequences.at(-1) ?? 0));
    expect(reader.retries).toHaveLength(2);
  }
  expect(new Set(readers.map((reader) => reader.retries[1])).size).toBeGreaterThan(20);
  expect(published).toBeGreaterThan(0);
});

test("during the notice readers are still served; after it they are sent away in a way they survive", async () => {
  await using bench = await start({ drainNoticeMs: 200, drainTimeoutMs: 100 });
  await bench.ingest.create("s");
  await bench.ingest.publish("s", ["a"]);
  const draining = bench.edge.drain();
  const during = await bench.open("/streams/s/events");
  await during.untilSequence(1);
  await draining;
  await during.untilEnd();
  const after = await bench.open("/streams/s/events", { accept: "text/event-stream" });
  await after.untilEnd();
  expect(after.status).toBe(200);
  expect(after.events).toEqual([]);
  expect(after.retries).toHaveLength(1);
  expect((await fetch(`${bench.url}/streams/s/events`)).status).toBe(503);
});

test("draining twice is draining once", async () => {
  await using bench = await start();
  expect(bench.edge.drain()).toBe(bench.edge.drain());
  await bench.edge.drain();
});

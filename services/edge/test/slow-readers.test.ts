import { memoryEdgePorts } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { eventually, sequencesTo, startBench } from "./edge-bench.ts";

function start(
  settings: Partial<EdgeSettings> = {},
  measureLoad?: () => { rssBytes: number; heapShare: number; loopDelayMs: number },
) {
  const ports = { ...memoryEdgePorts(), ...(measureLoad === undefined ? {} : { measureLoad }) };
  return startBench(ports, settings);
}

// More than the kernel takes from a connection that nobody reads (about 3.6 MB), in few chunks.
const LARGE = "x".repeat(256 * 1024);
const LARGE_COUNT = 40;

describe("a reader that takes nothing", () => {
  test("goes lagging, costs no more than the buffer, and has everything once it reads again", async () => {
    await using bench = await start({ bufferSize: 10, maxBufferBytes: 1024 * 1024 });
    const { ingest } = bench;
    await ingest.create("s");
    const slow = await bench.open("/streams/s/events");
    const quick = await bench.open("/streams/s/events");
    slow.response.pause();
    for (let count = 0; count < LARGE_COUNT; count++) {
      await ingest.publish("s", [LARGE]);
      await quick.untilSequence(count + 1);
    }
    await eventually("it to lag", async () => (await bench.metric("sluice_edge_lagging_total")) > 0);
    expect(await bench.metric("sluice_edge_backpressure_events_total")).toBeGreaterThan(0);
    await ingest.publish("s", [], "completed");
    await quick.untilEnd();
    slow.response.resume();
    await slow.untilEnd(10_000);
    expect(slow.sequences).toEqual(sequencesTo(LARGE_COUNT + 1));
  }, 20_000);

  test("is disconnected after the stall time, and resumes without a loss", async () => {
    await using bench = await start({ stallTimeoutMs: 150 });
    const { ingest } = bench;
    await ingest.create("s");
    for (let count = 0; count < LARGE_COUNT; count++) await ingest.publish("s", [LARGE]);
    const frozen = await bench.open("/streams/s/events");
    frozen.response.pause();
    await eventually("it to be disconnected", () => bench.edge.counts().connections === 0);
    expect(await bench.metric("sluice_edge_stalled_total")).toBe(1);
    const sent = await bench.metric("sluice_edge_chunks_sent_total");
    expect(sent).toBeLessThan(LARGE_COUNT);

    await ingest.publish("s", [], "completed");
    const resumed = await bench.open("/streams/s/events", { "Last-Event-ID": "3" });
    await resumed.untilEnd(10_000);
    expect(resumed.sequences).toEqual(sequencesTo(LARGE_COUNT + 1, 4));
  }, 20_000);

  test("but a little now and then is not disconnected: slow is not frozen", async () => {
    await using bench = await start({ stallTimeoutMs: 800 });
    const { ingest } = bench;
    await ingest.create("s");
    for (let count = 0; count < 2 * LARGE_COUNT; count++) await ingest.publish("s", [LARGE]);
    await ingest.publish("s", [], "completed");
    const slow = await bench.open("/streams/s/events");
    slow.response.pause();
    // Often enough that the kernel, which opens its window by a megabyte at a time, does so within the stall time.
    for (const begunMs = performance.now(); performance.now() - begunMs < 2_000;) {
      slow.response.read();
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    expect(bench.edge.counts().connections).toBe(1);
    slow.response.resume();
    await slow.untilEnd(10_000);
    expect(slow.sequences).toEqual(sequencesTo(2 * LARGE_COUNT + 1));
    expect(await bench.metric("sluice_edge_stalled_total")).toBe(0);
  }, 40_000);
});

test("a long replay reads the cache no faster than its reader takes it", async () => {
  await using bench = await start({ stallTimeoutMs: 200 });
  const { ingest, cache } = bench;
  await ingest.create("s");
  const kilobyte = "y".repeat(1024);
  for (let count = 0; count < 100; count++) await ingest.publish("s", Array<string>(200).fill(kilobyte));
  const readPage = cache.readPage.bind(cache);
  let pages = 0;
  let largestPage = 0;
  cache.readPage = async (...args) => {
    const page = await readPage(...args);
    pages++;
    largestPage = Math.max(largestPage, page?.chunks.length ?? 0);
    return page;
  };
  const frozen = await bench.open("/streams/s/events");
  frozen.response.pause();
  await eventually("it to be disconnected", () => bench.edge.counts().connections === 0);
  const pagesOfFrozen = pages;
  const reader = await bench.open("/streams/s/events");
  await reader.untilSequence(20_000);
  expect(reader.sequences).toEqual(sequencesTo(20_000));
  expect(largestPage).toBeLessThanOrEqual(256);
  expect(pagesOfFrozen).toBeLessThan((pages - pagesOfFrozen) / 2);
}, 30_000);

describe("silence", () => {
  test("is broken by a comment within the interval, not by a chunk", async () => {
    await using bench = await start({ keepAliveIntervalMs: 80 });
    await bench.ingest.create("s");
    const reader = await bench.open("/streams/s/events");
    await reader.until("two heartbeats", () => reader.comments.length >= 2);
    expect(reader.comments).toContain("heartbeat");
    expect(reader.events).toEqual([]);
  });

  test("is broken as often as the stream asks for, while other streams keep the edge's interval", async () => {
    await using bench = await start({ keepAliveIntervalMs: 60_000 });
    await bench.ingest.create("hasty", { heartbeat_interval_ms: 1_000 });
    await bench.ingest.create("calm");
    const calm = await bench.open("/streams/calm/events");
    const hasty = await bench.open("/streams/hasty/events");
    await hasty.until("two comments", () => hasty.comments.length >= 2, 20_000);
    expect(calm.comments).toEqual([]);
  });

  test("is never longer than the edge's own interval, whatever a stream asks for", async () => {
    await using bench = await start({ keepAliveIntervalMs: 80 });
    await bench.ingest.create("s", { heartbeat_interval_ms: 3_600_000 });
    const reader = await bench.open("/streams/s/events");
    await reader.until("two comments", () => reader.comments.length >= 2, 20_000);
    expect(reader.events).toEqual([]);
  });

  test("of a connection of several streams is broken as often as the hastiest asks for, while it is carried", async () => {
    await using bench = await start({ keepAliveIntervalMs: 60_000 });
    await bench.ingest.create("calm");
    await bench.ingest.create("slow", { heartbeat_interval_ms: 30_000 });
    await bench.ingest.create("hasty", { heartbeat_interval_ms: 1_000 });
    const reader = await bench.open("/streams/events?stream_id=calm&stream_id=slow");
    const id = String(reader.response.headers["sluice-connection-id"]);
    const control = await bench.open("/streams/hasty/events");
    await control.until("two comments", () => control.comments.length >= 2, 20_000);
    expect(reader.comments).toEqual([]);

    const added = await fetch(`${bench.url}/connections/${id}/streams/hasty`, { method: "POST" });
    expect(added.status).toBeLessThan(300);
    await reader.until("two comments", () => reader.comments.length >= 2, 20_000);

    await fetch(`${bench.url}/connections/${id}/streams/hasty`, { method: "DELETE" });
    const before = [reader.comments.length, control.comments.length] as const;
    await control.until("three more comments", () => control.comments.length >= before[1] + 3, 20_000);
    expect(reader.comments.length - before[0]).toBeLessThanOrEqual(1);
  }, 60_000);

  test("is none where chunks come", async () => {
    await using bench = await start({ keepAliveIntervalMs: 400 });
    await bench.ingest.create("s");
    const reader = await bench.open("/streams/s/events");
    for (let count = 1; count <= 20; count++) {
      await bench.ingest.publish("s", ["x"]);
      await reader.untilSequence(count);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    expect(reader.comments).toEqual([]);
  });
});

describe("a server short of memory", () => {
  test("takes nobody new, isn't ready, and lets its slowest go, who resume", async () => {
    let load = { rssBytes: 0, heapShare: 0, loopDelayMs: 0 };
    await using bench = await start({ softRssBytes: 100, hardRssBytes: 200 }, () => load);
    await bench.ingest.create("s");
    const reader = await bench.open("/streams/s/events");
    load = { ...load, rssBytes: 150 };
    await eventually("it to notice", () => bench.edge.problem() === "short of memory");
    expect((await fetch(`${bench.url}/streams/s/events`)).status).toBe(503);
    expect(reader.hasEnded).toBe(false);
    load = { ...load, rssBytes: 250 };
    await reader.untilEnd();
    expect(await bench.metric("sluice_edge_shed_total")).toBe(1);
    load = { ...load, rssBytes: 50 };
    await eventually("it to recover", () => bench.edge.problem() === null);
    expect((await bench.open("/streams/s/events")).status).toBe(200);
  });

  test("or with its event loop held up is not ready either", async () => {
    await using bench = await start({}, () => ({ rssBytes: 0, heapShare: 0, loopDelayMs: 10_000 }));
    await eventually("it to notice", () => bench.edge.problem() !== null);
    expect(bench.edge.problem()).toBe("event loop delayed");
  });
});

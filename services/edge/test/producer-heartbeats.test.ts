import { heartbeatFrame } from "@sluice/protocol";
import { memoryEdgePorts } from "@sluice/testing";
import { EventSource } from "eventsource";
import { describe, expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { eventually, startBench } from "./edge-bench.ts";
import { has, urlOf } from "./multiplexed.ts";
import type { TestReader } from "./sse-reader.ts";

// More than the kernel takes from a connection that nobody reads (about 3.6 MB), in few chunks.
const LARGE = "x".repeat(256 * 1024);
const LARGE_COUNT = 40;

const BODY = '"chunk_type":{"type":"Heartbeat"},"data":null}';
const DATA = `{"stream_id":"s",${BODY}`;

const beatsOf = (reader: TestReader): unknown[] =>
  reader.ofEvent("heartbeat").map(({ id, data }) => ({ id, data }));

async function start(settings: Partial<EdgeSettings> = {}) {
  const ports = memoryEdgePorts();
  const bench = await startBench(ports, settings);
  await bench.ingest.create("s");
  const beat = (streamId = "s"): void =>
    ports.ingestFeed.publishHeartbeat(streamId, Buffer.from(heartbeatFrame(streamId, BODY)));
  return { bench, beat };
}

describe("a producer's heartbeat", () => {
  test("reaches those who read live, without an id, in its place among the chunks", async () => {
    const { bench: opened, beat } = await start();
    await using bench = opened;
    await bench.ingest.publish("s", ["1"]);
    const reader = await bench.open("/streams/s/events");
    await reader.untilSequence(1);
    beat();
    await bench.ingest.publish("s", ["2"]);
    await reader.until("chunk and heartbeat", () => reader.events.length === 3);
    expect(reader.events.map(({ event }) => event)).toEqual(["text", "heartbeat", "text"]);
    expect(beatsOf(reader)).toEqual([{ id: undefined, data: DATA }]);
    expect(await bench.metric("sluice_edge_chunks_sent_total")).toBe(2);
  });

  test("reaches EventSource and leaves its last event id where it is", async () => {
    const { bench: opened, beat } = await start();
    await using bench = opened;
    await bench.ingest.publish("s", ["1", "2"]);
    const source = new EventSource(`${bench.url}/streams/s/events`);
    const got: unknown[] = [];
    for (const name of ["text", "heartbeat"])
      source.addEventListener(name, ({ lastEventId }) => got.push([name, lastEventId]));
    await eventually("the chunks", () => got.length === 2);
    beat();
    await eventually("the heartbeat", () => got.length === 3);
    source.close();
    expect(got).toEqual([
      ["text", "1"],
      ["text", "2"],
      ["heartbeat", "2"],
    ]);
  });

  test("reaches a connection of many streams and moves no position", async () => {
    const { bench: opened, beat } = await start();
    await using bench = opened;
    await bench.ingest.create("other");
    await bench.ingest.publish("s", ["1"]);
    const reader = await bench.open(urlOf(["s", "other"]));
    await reader.until("the position", () => reader.lastEventId === "1.0");
    beat();
    await reader.until("the heartbeat", () => beatsOf(reader).length === 1);
    expect(beatsOf(reader)).toEqual([{ id: undefined, data: DATA }]);
    expect(reader.lastEventId).toBe("1.0");
    await bench.ingest.publish("s", ["2"]);
    await has(reader, "s", 2);
  });

  test("is never replayed", async () => {
    const { bench: opened, beat } = await start();
    await using bench = opened;
    const first = await bench.open("/streams/s/events");
    await bench.ingest.publish("s", ["1"]);
    await first.untilSequence(1);
    beat();
    await first.until("the heartbeat", () => beatsOf(first).length === 1);
    await bench.ingest.publish("s", [], "completed");
    const late = await bench.open("/streams/s/events");
    await late.untilEnd();
    expect(late.events.map(({ id }) => id)).toEqual(["1", "2"]);
    expect(beatsOf(late)).toEqual([]);
  });

  test("is left out for a reader whose socket is full, however many come", async () => {
    // Room for all of it, so that the reader waits in the live phase and not in the cache.
    const { bench: opened, beat } = await start({
      bufferSize: 1_000,
      maxBufferBytes: 2 * LARGE_COUNT * LARGE.length,
    });
    await using bench = opened;
    const [reader, quick] = [await bench.open("/streams/s/events"), await bench.open("/streams/s/events")];
    reader.response.pause();
    for (let count = 1; count <= LARGE_COUNT; count++) {
      await bench.ingest.publish("s", [LARGE]);
      await quick.untilSequence(count);
    }
    for (let round = 0; round < 100; round++) beat();
    await quick.until("all heartbeats", () => beatsOf(quick).length === 100);
    reader.response.resume();
    await reader.until("all chunks", () => reader.ofEvent("text").length === LARGE_COUNT);
    expect(beatsOf(reader)).toEqual([]);
    beat();
    await reader.until("the next heartbeat", () => beatsOf(reader).length === 1);
  });
});

import { memoryEdgePorts } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { sequencesTo, startBench } from "./edge-bench.ts";
import { readAwhile } from "./joins.ts";

function start(settings: Partial<EdgeSettings> = {}) {
  return startBench(memoryEdgePorts(), settings);
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a reader", () => {
  test("gets what was there, then what comes, then the end", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    await bench.ingest.publish("s", ["a", "b"]);
    const reader = await bench.open("/streams/s/events");
    await reader.untilSequence(2);
    await bench.ingest.publish("s", ["c"]);
    await reader.untilSequence(3);
    await bench.ingest.publish("s", ["d"], "completed");
    await reader.untilEnd();
    expect(reader.sequences).toEqual([1, 2, 3, 4, 5]);
    expect(reader.events.map((event) => event.event)).toEqual(["text", "text", "text", "text", "complete"]);
    expect(JSON.parse(reader.events[2]!.data)).toMatchObject({ stream_id: "s", sequence: 3 });
    expect(await bench.metric("sluice_edge_chunks_sent_total")).toBe(5);
  });

  test("of a stream without a chunk waits for the first", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    const reader = await bench.open("/streams/s/events");
    expect(reader.status).toBe(200);
    await bench.ingest.publish("s", ["a"]);
    await reader.untilSequence(1);
    expect(reader.sequences).toEqual([1]);
  });

  test("loses nothing and gets nothing twice, whenever it joins a stream at full speed", async () => {
    await using bench = await start({ maxHeldChunks: 64, pageChunks: 16 });
    const joinsAStream = 600;
    for (const streamId of ["s1", "s2", "s3", "s4"]) {
      await bench.ingest.create(streamId);
      const readings: ReturnType<typeof readAwhile>[] = [];
      let published = 0;
      while (readings.length < joinsAStream) {
        const texts = sequencesTo(1 + Math.floor(Math.random() * 4)).map(String);
        await bench.ingest.publish(streamId, texts);
        published += texts.length;
        if (Math.random() < 0.5) readings.push(readAwhile(bench, streamId, published));
        await nextTurn();
      }
      await bench.ingest.publish(streamId, [], "completed");
      for (const { after, got, isWhole } of await Promise.all(readings)) {
        expect({ isWhole, got }).toEqual({ isWhole: true, got: sequencesTo(got.at(-1) ?? 0, after + 1) });
      }
    }
  }, 60_000);

  test("misses nothing where one live message in ten is lost", async () => {
    await using bench = await start();
    const { ingest } = bench;
    await ingest.create("s");
    ingest.say = (range) => (range.first % 10 === 3 ? null : range);
    const readers = await Promise.all(sequencesTo(10).map(() => bench.open("/streams/s/events")));
    for (let count = 0; count < 200; count++) {
      await ingest.publish("s", ["x"]);
      await nextTurn();
    }
    await ingest.publish("s", [], "completed");
    for (const reader of readers) {
      await reader.untilEnd();
      expect(reader.sequences).toEqual(sequencesTo(201));
    }
    expect(await bench.metric("sluice_edge_repairs_total")).toBeGreaterThan(0);
  });

  test("gets what is said while its first page is on the way, though nothing comes after it", async () => {
    await using bench = await start({ headCheckIntervalMs: 600_000 });
    const { ingest, cache } = bench;
    await ingest.create("s");
    await ingest.publish("s", ["a"]);
    const readPage = cache.readPage.bind(cache);
    let isFirst = true;
    cache.readPage = async (...args) => {
      const page = await readPage(...args);
      if (isFirst) {
        isFirst = false;
        await ingest.publish("s", ["b"]);
        await nextTurn();
        await nextTurn();
      }
      return page;
    };
    const reader = await bench.open("/streams/s/events");
    await reader.untilSequence(2);
    expect(reader.sequences).toEqual([1, 2]);
    expect(await bench.metric("sluice_edge_repairs_total")).toBe(0);
  });

  test("reads on from the cache where more arrives during its replay than it may hold", async () => {
    await using bench = await start({ maxHeldChunks: 3, pageChunks: 2 });
    const { ingest, cache } = bench;
    await ingest.create("s");
    await ingest.publish("s", ["a", "b", "c", "d", "e"]);
    const readPage = cache.readPage.bind(cache);
    let isFirst = true;
    cache.readPage = async (...args) => {
      const page = await readPage(...args);
      if (isFirst) {
        isFirst = false;
        for (let count = 0; count < 20; count++) await ingest.publish("s", ["x"]);
        await nextTurn();
      }
      return page;
    };
    const reader = await bench.open("/streams/s/events");
    await reader.untilSequence(25);
    await ingest.publish("s", [], "completed");
    await reader.untilEnd();
    expect(reader.sequences).toEqual(sequencesTo(26));
  });

  test("gets chunks that were announced without their bytes", async () => {
    await using bench = await start();
    const { ingest } = bench;
    await ingest.create("s");
    const reader = await bench.open("/streams/s/events");
    ingest.say = (range) => ({ ...range, frames: null });
    await ingest.publish("s", ["large"]);
    await reader.untilSequence(1);
    expect(reader.events[0]?.data).toContain("large");
  });

  test("passes a refused element by its id alone, from cache and live", async () => {
    await using bench = await start();
    const { ingest } = bench;
    await ingest.create("s");
    await ingest.publish("s", ["a"]);
    await ingest.reject("s");
    const reader = await bench.open("/streams/s/events");
    await reader.until("the refused one", () => reader.lastEventId === "2");
    await ingest.reject("s");
    await reader.until("the next refused one", () => reader.lastEventId === "3");
    await ingest.publish("s", ["b"]);
    await reader.untilSequence(4);
    expect(reader.sequences).toEqual([1, 4]);
  });

  test("costs one subscription and one page a tick, however many come to a stream at once", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    await bench.ingest.publish("s", ["a"]);
    const readers = await Promise.all(sequencesTo(50).map(() => bench.open("/streams/s/events")));
    await Promise.all(readers.map((reader) => reader.untilSequence(1)));
    expect(bench.edge.counts()).toEqual({ connections: 50, subscribers: 50, streams: 1 });
  });
});

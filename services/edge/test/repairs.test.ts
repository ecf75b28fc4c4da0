import { StreamError } from "@sluice/core";
import { memoryEdgePorts } from "@sluice/testing";
import { describe, expect, test, vi } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { eventually, sequencesTo, startBench } from "./edge-bench.ts";

function start(settings: Partial<EdgeSettings> = {}) {
  return startBench(memoryEdgePorts(), settings);
}

/** A reader who has had everything of stream `s`, and then the live message of chunk 3 gets lost. */
async function startWithLostTail(settings: Partial<EdgeSettings> = {}) {
  // The periodic check is kept out of it, or it would find the loss for the others.
  const bench = await start({ headCheckIntervalMs: 600_000, ...settings });
  const { ingest } = bench;
  await ingest.create("s");
  await ingest.publish("s", ["a", "b"]);
  ingest.announce("s", 2);
  const reader = await bench.open("/streams/s/events");
  await reader.untilSequence(2);
  ingest.say = () => null;
  await ingest.publish("s", ["c"]);
  ingest.say = (range) => range;
  return { bench, ingest, reader };
}

describe("a lost last live message", () => {
  test("is found by the announcement of its head", async () => {
    const { bench, ingest, reader } = await startWithLostTail({ tailGraceMs: 5 });
    await using _ = bench;
    ingest.announce("s", 3);
    await reader.untilSequence(3);
    expect(reader.sequences).toEqual([1, 2, 3]);
    expect(await bench.metric("sluice_edge_lost_tails_total")).toBe(1);
  });

  test("is found where the announcement was lost as well, by its missing serial", async () => {
    const { bench, ingest, reader } = await startWithLostTail();
    await using _ = bench;
    ingest.announce("s", 0, { serial: 3 });
    await reader.untilSequence(3);
    expect(reader.sequences).toEqual([1, 2, 3]);
  });

  test("is found when another owner takes over", async () => {
    const { bench, ingest, reader } = await startWithLostTail();
    await using _ = bench;
    ingest.announce("s", 0, { serial: 2, term: "b" });
    await reader.untilSequence(3);
    expect(reader.sequences).toEqual([1, 2, 3]);
  });

  test("is found after a lost connection to NATS", async () => {
    const { bench, reader } = await startWithLostTail();
    await using _ = bench;
    bench.edgeFeed.disconnect();
    expect(bench.edge.problem()).toBe("no connection to NATS");
    bench.edgeFeed.reconnect();
    expect(bench.edge.problem()).toBeNull();
    await reader.untilSequence(3);
  });

  test("is found by the periodic check where nobody says anything", async () => {
    const { bench, reader } = await startWithLostTail({ headCheckIntervalMs: 120, tailGraceMs: 5 });
    await using _ = bench;
    await reader.untilSequence(3);
    expect(reader.sequences).toEqual([1, 2, 3]);
  });

  test("that ends the stream is found, too", async () => {
    const { bench, ingest, reader } = await startWithLostTail({ tailGraceMs: 5 });
    await using _ = bench;
    ingest.say = () => null;
    await ingest.publish("s", [], "completed");
    ingest.announce("s", 4, { hasEnded: true });
    await reader.untilEnd();
    expect(reader.sequences).toEqual([1, 2, 3, 4]);
  });

  test("is found where the owner couldn't confirm the subscription, shortly after", async () => {
    await using bench = await start({
      barrierTimeoutMs: 10,
      recheckDelayMs: 30,
      headCheckIntervalMs: 600_000,
    });
    const { ingest } = bench;
    await ingest.create("s");
    ingest.close();
    ingest.say = () => null;
    const reader = await bench.open("/streams/s/events");
    await reader.until("the opening", () => reader.retries.length === 1);
    await ingest.publish("s", ["a"]);
    await reader.untilSequence(1);
    expect(reader.sequences).toEqual([1]);
  });
});

describe("an announced head", () => {
  test("that was heard live causes no read", async () => {
    await using bench = await start({ tailGraceMs: 1 });
    const { ingest } = bench;
    await ingest.create("s");
    const reader = await bench.open("/streams/s/events");
    await ingest.publish("s", ["a"]);
    await reader.untilSequence(1);
    const readPage = vi.spyOn(bench.cache, "readPage");
    for (let count = 0; count < 5; count++) ingest.announce("s", 1);
    await ingest.publish("s", ["b"]);
    await reader.untilSequence(2);
    expect(readPage).not.toHaveBeenCalled();
  });
});

describe("a hole in the cache", () => {
  /** Chunks 1 … 4 of `s` in the cache's record, none of them there. */
  async function startWithHole(settings: Partial<EdgeSettings> = {}) {
    const bench = await start(settings);
    await bench.ingest.create("s");
    await bench.ingest.publish("s", ["a", "b", "c", "d"]);
    return bench;
  }

  test("is filled by ingest, and nothing is missing", async () => {
    await using bench = await startWithHole();
    const before = bench.cache.snapshot();
    bench.cache.dropChunks("s");
    let asked = 0;
    bench.ingest.answerRebuilds(async () => {
      asked++;
      bench.cache.rollback(before);
      return { kind: "restored", firstAvailable: 1, head: 4, status: "open" };
    });
    const readers = await Promise.all(sequencesTo(5).map(() => bench.open("/streams/s/events")));
    for (const reader of readers) {
      await reader.untilSequence(4);
      expect(reader.sequences).toEqual([1, 2, 3, 4]);
    }
    expect(asked).toBe(1);
    expect(await bench.metric("sluice_edge_gaps_total")).toBe(0);
  });

  test("that the log can't fill is told as a gap, with the last missing number as id", async () => {
    await using bench = await startWithHole();
    bench.cache.dropChunks("s");
    bench.ingest.answerRebuilds(async () => ({
      kind: "restored",
      firstAvailable: 5,
      head: 4,
      status: "open",
    }));
    const reader = await bench.open("/streams/s/events", { "Last-Event-ID": "1" });
    await reader.until("the gap", () => reader.ofEvent("gap").length === 1);
    expect(JSON.parse(reader.ofEvent("gap")[0]!.data)).toMatchObject({ from: 2, to: 4, reason: "expired" });
    expect(reader.ofEvent("gap")[0]?.id).toBe("4");
    await bench.ingest.publish("s", ["e"]);
    await reader.untilSequence(5);
    expect(reader.sequences).toEqual([5]);
  });

  test("in the middle, where the log has nothing either, is told as a gap up to what is there", async () => {
    await using bench = await startWithHole();
    bench.cache.dropChunks("s");
    await bench.ingest.publish("s", ["e"]);
    let asked = 0;
    bench.ingest.answerRebuilds(async () => {
      asked++;
      return { kind: "restored", firstAvailable: 1, head: 5, status: "open" };
    });
    const reader = await bench.open("/streams/s/events");
    await reader.untilSequence(5);
    expect(JSON.parse(reader.ofEvent("gap")[0]!.data)).toMatchObject({ from: 1, to: 4 });
    expect(reader.sequences).toEqual([5]);
    expect(asked).toBe(1);
  });

  test("that nobody answers for is not passed over: the reader is let go, and can resume", async () => {
    await using bench = await startWithHole({ replayRetryTimeoutMs: 60, rebuildTimeoutMs: 10 });
    bench.cache.dropChunks("s");
    const reader = await bench.open("/streams/s/events");
    await reader.untilEnd();
    expect(reader.events).toEqual([]);
  });

  test("that took the whole record with it while readers follow live is filled for them", async () => {
    await using bench = await startWithHole({ headCheckIntervalMs: 120 });
    const reader = await bench.open("/streams/s/events");
    await reader.untilSequence(4);
    bench.ingest.say = () => null;
    await bench.ingest.publish("s", ["e"]);
    const before = bench.cache.snapshot();
    bench.cache.flush();
    bench.ingest.answerRebuilds(async () => {
      bench.cache.rollback(before);
      return { kind: "restored", firstAvailable: 1, head: 5, status: "open" };
    });
    await reader.untilSequence(5);
    expect(reader.sequences).toEqual([1, 2, 3, 4, 5]);
  });
});

describe("a position ahead of the head of an open stream", () => {
  test("is asked about first, and believed where the log has more than the cache", async () => {
    await using bench = await start();
    const { ingest } = bench;
    await ingest.create("s");
    await ingest.publish("s", ["a"]);
    ingest.answerRebuilds(async () => {
      ingest.say = () => null;
      await ingest.publish("s", ["b", "c"]);
      return { kind: "restored", firstAvailable: 1, head: 3, status: "open" };
    });
    const reader = await bench.open("/streams/s/events", { "Last-Event-ID": "2" });
    await reader.untilSequence(3);
    expect(reader.sequences).toEqual([3]);
    expect(reader.ofEvent("gap")).toEqual([]);
  });

  test("is reset where the log agrees", async () => {
    await using bench = await start();
    const { ingest } = bench;
    await ingest.create("s");
    await ingest.publish("s", ["a"]);
    ingest.answerRebuilds(async () => ({ kind: "restored", firstAvailable: 1, head: 1, status: "open" }));
    const reader = await bench.open("/streams/s/events", { "Last-Event-ID": "9" });
    await reader.until("the reset", () => reader.ofEvent("gap").length === 1);
    expect(JSON.parse(reader.ofEvent("gap")[0]!.data)).toMatchObject({ reset: true, cursor: 9, head: 1 });
    expect(reader.ofEvent("gap")[0]?.id).toBe("1");
    await ingest.publish("s", ["b"]);
    await reader.untilSequence(2);
    expect(reader.sequences).toEqual([2]);
  });

  test("is reset at an ended stream, too, which then ends", async () => {
    await using bench = await start();
    const { ingest } = bench;
    await ingest.create("s");
    await ingest.publish("s", ["a"], "completed");
    ingest.answerRebuilds(async () => ({
      kind: "restored",
      firstAvailable: 1,
      head: 2,
      status: "completed",
    }));
    const reader = await bench.open("/streams/s/events", { "Last-Event-ID": "500" });
    await reader.untilEnd();
    expect(reader.events.map(({ event, id }) => [event, id])).toEqual([["gap", "2"]]);
  });
});

test("a cache that is away for a while costs readers time, and no chunk", async () => {
  await using bench = await start();
  const { ingest, cache } = bench;
  await ingest.create("s");
  const reader = await bench.open("/streams/s/events");
  await reader.until("the opening", () => reader.retries.length === 1);
  const readPage = cache.readPage.bind(cache);
  let refusals = 0;
  cache.readPage = async (...args) => {
    if (refusals++ < 3) throw new StreamError("CACHE_UNAVAILABLE", "redis is away");
    return readPage(...args);
  };
  ingest.say = () => null;
  await ingest.publish("s", ["a"]);
  ingest.say = (range) => range;
  await ingest.publish("s", ["b"]);
  await reader.untilSequence(2);
  expect(reader.sequences).toEqual([1, 2]);
  expect(refusals).toBeGreaterThan(3);
});

test("a stream without readers is left after a little while, and one that comes back in time finds it", async () => {
  await using bench = await start({ feedLingerMs: 40 });
  await bench.ingest.create("s");
  const first = await bench.open("/streams/s/events");
  first.close();
  await eventually("the reader to be gone", () => bench.edge.counts().subscribers === 0);
  expect(bench.edge.counts().streams).toBe(1);
  const second = await bench.open("/streams/s/events");
  await bench.ingest.publish("s", ["a"]);
  await second.untilSequence(1);
  second.close();
  await eventually("the stream to be left", () => bench.edge.counts().streams === 0);
});

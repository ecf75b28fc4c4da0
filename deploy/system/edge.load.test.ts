import { connectProducer, type StreamManager } from "@sluice/producer";
import { VerifyingReader } from "@sluice/testing";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { gaugeOf, startStack, sumOver, type Stack } from "./stack.ts";

const STREAMS = 60;
const READERS_PER_STREAM = 34;
const EDGES = ["edge-1", "edge-2", "edge-3"];
const DRAIN_MS = 3_000;
const PACE_MS = 100;

let stack: Stack;
let producer: StreamManager;

beforeAll(async () => {
  const env = { edge: { DRAIN_NOTICE_MS: "500", DRAIN_TIMEOUT_MS: String(DRAIN_MS), LOG_LEVEL: "warn" } };
  stack = await startStack({ ingest: 1, edges: EDGES.length, env });
  producer = await connectProducer({ servers: stack.natsUrl });
});

afterAll(async () => {
  await producer.close();
  await stack.stop();
});

async function produceUntil(streamId: string, isOver: () => boolean): Promise<number> {
  const { handle } = await producer.createStream({ streamId });
  let count = 1;
  for (; !isOver(); count++) {
    await handle.sendText(`${streamId}/${count}`);
    await delay(PACE_MS);
  }
  await handle.sendComplete("done");
  return count;
}

test("a rolling restart of three edges under 2,040 connections loses nothing, and spreads the reconnects over the drain time", async () => {
  const cutsMs: number[] = [];
  const ids = Array.from({ length: STREAMS }, (_, stream) => `rolling-${stream}`);
  let isOver = false;
  const producing = Promise.all(ids.map((id) => produceUntil(id, () => isOver)));
  const readers = ids.flatMap((streamId) =>
    Array.from({ length: READERS_PER_STREAM }, () => {
      const reconnectDelayMs = (): number => {
        cutsMs.push(performance.now());
        return 20 + Math.random() * 80;
      };
      return new VerifyingReader({
        edgeUrl: () => stack.edgeUrl,
        streamId,
        query: "wait=20",
        keepData: false,
        reconnectDelayMs,
      });
    }),
  );
  const reading = Promise.all(readers.map((reader) => reader.run()));
  await expect
    .poll(() => Math.min(...readers.map((reader) => reader.lastSequence)), { timeout: 30_000 })
    .toBeGreaterThan(5);
  for (const name of EDGES) {
    const edge = stack.service(name);
    const connections = await gaugeOf(edge.url, "sluice_edge_connections");
    expect(connections).toBeGreaterThan(100);
    cutsMs.length = 0;
    await edge.restart();
    const cuts = cutsMs.toSorted((left, right) => left - right);
    expect(cuts.length).toBeGreaterThanOrEqual(connections);
    // Even over the time: none of its quarters has much more than a quarter of them. (A pod that drains still accepts,
    // and refuses: such a reader counts once more.)
    const first = cuts[0] ?? 0;
    const quarters = [0, 1, 2, 3].map((quarter) => {
      const from = first + (quarter * DRAIN_MS) / 4;
      return cuts.filter((cutMs) => cutMs >= from && cutMs < from + DRAIN_MS / 4).length;
    });
    expect(Math.max(...quarters) / cuts.length).toBeLessThan(0.5);
    expect(quarters.filter((count) => count > 0).length).toBeGreaterThanOrEqual(3);
  }
  isOver = true;
  const lengths = await producing;
  await reading;
  expect(readers.flatMap((reader) => reader.problems)).toEqual([]);
  expect(readers.flatMap((reader) => reader.gaps)).toEqual([]);
  for (const [index, reader] of readers.entries()) {
    expect(reader.endedWith).toBe("complete");
    expect(reader.chunks).toBe(lengths[Math.floor(index / READERS_PER_STREAM)]);
  }
}, 180_000);

test("edges whose event loops are behind send more chunks with each write", async () => {
  const { handle } = await producer.createStream({ streamId: "behind" });
  const readers = Array.from({ length: 12 }, () => {
    return new VerifyingReader({ edgeUrl: () => stack.edgeUrl, streamId: handle.streamId, query: "wait=20" });
  });
  const reading = Promise.all(readers.map((reader) => reader.run()));
  let head = 0;
  const publish = async (): Promise<void> => {
    for (let count = 0; count < 400; count++, head++) {
      await handle.sendText("x");
      await delay(2);
    }
  };
  const chunksPerWrite = async (work: () => Promise<void>): Promise<number> => {
    const count = (what: string): Promise<number> => sumOver(stack, "edge", `sluice_edge_${what}_total`);
    const [chunks, writes] = [await count("chunks_sent"), await count("writes")];
    await work();
    const haveAll = (): boolean => readers.every(({ lastSequence }) => lastSequence === head);
    await expect.poll(haveAll, { timeout: 30_000 }).toBe(true);
    return ((await count("chunks_sent")) - chunks) / ((await count("writes")) - writes);
  };
  await handle.sendText("the first");
  head++;
  await expect.poll(() => readers.every(({ lastSequence }) => lastSequence === 1)).toBe(true);

  const free = await chunksPerWrite(publish);
  const behind = await chunksPerWrite(async () => {
    const published = publish().then(() => true);
    // A loop that is held up for 120 ms at a time, between which it hardly gets to run.
    while (!(await Promise.race([published, delay(10, false)]))) {
      await Promise.all(EDGES.map((name) => stack.service(name).pause()));
      await delay(120);
      await Promise.all(EDGES.map((name) => stack.service(name).resume()));
    }
  });
  console.info(`chunks a write: ${free.toFixed(1)}, of a loop that is held up: ${behind.toFixed(1)}`);
  expect(behind).toBeGreaterThan(4 * free);
  await handle.sendComplete("done");
  await reading;
  expect(readers.flatMap(({ problems, gaps }) => [...problems, ...gaps])).toEqual([]);
});

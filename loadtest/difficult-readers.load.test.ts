import { gaugeOf, startStack } from "@sluice/deploy";
import { expect, test } from "vitest";
import type { DifficultReaders } from "./actors/difficult-readers.ts";
import type { RawPublisher } from "./actors/raw-publisher.ts";
import { Actor } from "./src/actor.ts";
import { residentBytes } from "./src/process-usage.ts";
import { ReaderPool } from "./src/reader-pool.ts";
import { streamIdOf, type Workload } from "./src/workload.ts";

const FROZEN = 1_000;
const SLOW = 100;
const FAST = 20;
const WAIT = { timeout: 60_000, interval: 100 };

/** The kernel takes up to 4 MB for a reader who takes nothing, and 1.5 GB or so for all of them. */
const LARGE: Workload = { prefix: "large", streams: 1, chunksPerMessage: 1, chunkBytes: 32 * 1024 };
const SMALL: Workload = { prefix: "small", streams: 1, chunksPerMessage: 1, chunkBytes: 200 };

/** All at their bounds at once would be 256 MiB of buffers that wait for a socket. */
const MAX_GROWTH_BYTES = 100 * 1024 * 1024;
/** Where before it is hardly more than the machine's own jitter. One write to all 1,100 that held the loop up would take longer. */
const MIN_LATENCY_BOUND_MS = 40;
/** Other processes share the machine and disturb a run or two. Readers who cost the others time do so in each. */
const MEASUREMENTS = 4;

const EDGE_ENV = {
  // Those who stay frozen are sent away within the test.
  STALL_TIMEOUT_MS: "6000",
  DRAIN_NOTICE_MS: "0",
  DRAIN_TIMEOUT_MS: "100",
};

async function countLagging(adminUrl: string): Promise<number> {
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  const [, count] = /^sluice_edge_subscribers\{phase="lagging".*\} (\d+)$/m.exec(metrics) ?? [];
  return Number(count);
}

test("1,000 frozen and 100 slow readers cost the edge little memory and the fast ones no time; all have everything in the end", async () => {
  await using stack = await startStack({ ingest: 1, edges: 1, env: { edge: EDGE_ENV } });
  const { natsUrl, edgeUrl } = stack;
  const edge = stack.service("edge-1");
  const metric = (name: string): Promise<number> => gaugeOf(edge.url, `sluice_edge_${name}`);
  await using frozen = Actor.start<DifficultReaders>("difficult-readers.ts");
  await using slow = Actor.start<DifficultReaders>("difficult-readers.ts");
  await using fast = new ReaderPool(1);
  await using large = Actor.start<RawPublisher>("raw-publisher.ts");
  await using small = Actor.start<RawPublisher>("raw-publisher.ts");
  await large.call("open", { natsUrl, workload: LARGE });
  await small.call("open", { natsUrl, workload: SMALL });
  let head = 0;
  const publishLarge = async (chunksPerSecond: number, durationMs: number): Promise<void> => {
    head += (await large.call("run", { chunksPerSecond, durationMs })).ackedMs.length;
  };
  const fastLatency = async (): Promise<number> => {
    await fast.take();
    const { ackedMs } = await small.call("run", { chunksPerSecond: 50, durationMs: 2_000 });
    const { latencies, events, faults } = await fast.takeAll(ackedMs.length * FAST, WAIT.timeout);
    expect({ events, faults }).toEqual({ events: ackedMs.length * FAST, faults: 0 });
    return latencies.percentile(0.99);
  };

  await publishLarge(10, 100);
  await small.call("run", { chunksPerSecond: 10, durationMs: 100 });
  await fast.open(edgeUrl, Array<string>(FAST).fill(streamIdOf(SMALL, 0)));
  const streamId = streamIdOf(LARGE, 0);
  await slow.call("open", { edgeUrl, streamId, count: SLOW, isFrozen: false });
  await frozen.call("open", { edgeUrl, streamId, count: FROZEN, isFrozen: true });
  await expect.poll(() => metric("connections"), WAIT).toBe(FROZEN + SLOW + FAST);
  await slow.call("trickle", { everyMs: 200 });
  const bytesBefore = residentBytes(edge.pid ?? 0);
  const before = await fastLatency();

  // Readers who lag are sent away after a while and come again: on a busy machine never all lag at one moment.
  const haveFallenBehind = async (): Promise<number> =>
    (await countLagging(edge.url)) + (await metric("stalled_total"));
  while ((await haveFallenBehind()) < FROZEN) await publishLarge(30, 500);
  const bound = Math.max(MIN_LATENCY_BOUND_MS, 3 * before);
  let during = Infinity;
  for (let count = 0; count < MEASUREMENTS && during > bound; count++)
    [during] = await Promise.all([fastLatency(), publishLarge(10, 2_000)]);
  const grown = residentBytes(edge.pid ?? 0) - bytesBefore;
  console.info(`${head} chunks, ${Math.round(grown / 2 ** 20)} MiB more, p99 ${before} → ${during} ms`);
  expect(grown).toBeLessThan(MAX_GROWTH_BYTES);
  expect(during).toBeLessThanOrEqual(bound);

  // What the first of them held is free then, so the kernel takes all there is for others: not everyone stalls.
  await expect.poll(() => metric("stalled_total"), WAIT).toBeGreaterThan(FROZEN / 4);
  for (const readers of [frozen, slow]) {
    await readers.call("thaw", null);
    await expect.poll(async () => (await readers.call("report", null)).lowestSequence, WAIT).toBe(head);
  }
  const ofFrozen = await frozen.call("report", null);
  const ofSlow = await slow.call("report", null);
  expect([ofFrozen.faults, ofSlow.faults]).toEqual([0, 0]);
  expect(ofFrozen.resumed).toBeGreaterThan(FROZEN / 4);
  // Slow isn't frozen: nobody who takes a little now and then was sent away.
  expect(ofSlow.resumed).toBe(0);
});

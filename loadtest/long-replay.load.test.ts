import { chunksKeyOf, createRedisProbe, gaugeOf, metaKeyOf, startStack } from "@sluice/deploy";
import { VerifyingReader } from "@sluice/testing";
import { expect, test } from "vitest";
import type { DifficultReaders } from "./actors/difficult-readers.ts";
import type { RawPublisher } from "./actors/raw-publisher.ts";
import { Actor } from "./src/actor.ts";
import { residentBytes } from "./src/process-usage.ts";
import { streamIdOf, type Workload } from "./src/workload.ts";

const CHUNKS = 100_000;
const LONG: Workload = { prefix: "long", streams: 1, chunksPerMessage: 500, chunkBytes: 1_000 };
const PER_SECOND = 50_000;
const FROZEN = 20;
const READERS = 5;

/** What one replay alone takes as a whole is 125 MB; of all 25 it would be 3 GB. */
const MAX_GROWTH_BYTES = 250 * 2 ** 20;

/** How far a process's memory was above where it had been, at the most. */
async function growthDuring(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = residentBytes(pid);
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, residentBytes(pid))), 20);
  await work().finally(() => clearInterval(timer));
  return most - before;
}

test("replays of 100,000 chunks come in pages, from the cache and brought back from the log, and never as a whole into the edge's memory", async () => {
  await using stack = await startStack({ ingest: 1, edges: 1 });
  const { natsUrl, edgeUrl } = stack;
  await using redis = createRedisProbe(stack.redis.url);
  await using publisher = Actor.start<RawPublisher>("raw-publisher.ts");
  await using frozen = Actor.start<DifficultReaders>("difficult-readers.ts");
  await publisher.call("open", { natsUrl, workload: LONG });
  await publisher.call("run", { chunksPerSecond: PER_SECOND, durationMs: (CHUNKS / PER_SECOND) * 1000 });
  const streamId = streamIdOf(LONG, 0);
  await expect.poll(() => redis.head(streamId), { timeout: 60_000 }).toBe(CHUNKS);
  /** Of readers who begin at different places, so that they share no page. */
  const readAll = async (): Promise<void> => {
    const reading = Array.from({ length: READERS }, async (_, index) => {
      const onChunk = (sequence: number): void => {
        if (sequence === CHUNKS) reader.stop();
      };
      const options = { streamId, after: index * 100, keepData: false, onChunk };
      const reader = new VerifyingReader({ ...options, edgeUrl: () => edgeUrl });
      await reader.run();
      expect({ problems: reader.problems, gaps: reader.gaps }).toEqual({ problems: [], gaps: [] });
      expect(reader.lastSequence).toBe(CHUNKS);
    });
    await Promise.all(reading);
  };
  const edgePid = stack.service("edge-1").pid ?? 0;
  const fromCache = await growthDuring(edgePid, async () => {
    await frozen.call("open", { edgeUrl, streamId, count: FROZEN, isFrozen: true });
    await readAll();
  });
  expect(await redis.deleteKeys([metaKeyOf(streamId), chunksKeyOf(streamId)])).toBe(2);
  const fromLog = await growthDuring(edgePid, readAll);
  const inMib = (bytes: number): number => Math.round(bytes / 2 ** 20);
  console.info(`the edge grew by ${inMib(fromCache)} MiB from the cache, ${inMib(fromLog)} from the log`);
  expect(fromCache).toBeLessThan(MAX_GROWTH_BYTES);
  expect(fromLog).toBeLessThan(MAX_GROWTH_BYTES);
  expect(await gaugeOf(stack.service("ingest-1").url, "sluice_ingest_rebuilds_total")).toBeGreaterThan(0);
}, 120_000);

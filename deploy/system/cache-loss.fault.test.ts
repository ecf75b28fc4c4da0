import { afterAll, beforeAll, expect, test } from "vitest";
import { Load, type LoadOptions } from "./load.ts";
import { chunksKeyOf, createRedisProbe, metaKeyOf, type RedisProbe } from "./redis-probe.ts";
import { startStack, sumOver, type Stack } from "./stack.ts";

const REBUILDS = "sluice_ingest_rebuilds_total";
const WAIT = { timeout: 30_000, interval: 50 };

let stack: Stack;
let redis: RedisProbe;

beforeAll(async () => {
  // Short, so that a lost cache isn't simply filled by reading the last minutes once more: it has to be rebuilt.
  stack = await startStack({ ingest: 2, edges: 2, env: { ingest: { CHUNK_TTL_SECONDS: "3" } } });
  redis = createRedisProbe(stack.redis.url);
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
  await stack.stop();
});

function startLoad(name: string, options: Partial<LoadOptions> = {}): Promise<Load> {
  return Load.start({ ...stack, name, streams: 300, bareStreams: 20, paceMs: 400, ...options });
}

/** Times that ingest noticed that the cache fell back. */
async function fallbacks(): Promise<number> {
  const [rewinds, lost] = await Promise.all([
    sumOver(stack, "ingest", "sluice_ingest_rewinds_total"),
    sumOver(stack, "ingest", "sluice_ingest_leases_lost_total"),
  ]);
  return rewinds + lost;
}

test("FLUSHALL in mid-stream, three times, takes nothing from 320 streams, and after their end they are read again in full", async () => {
  const load = await startLoad("flushed");
  const fallbacksBefore = await fallbacks();
  for (let round = 0; round < 3; round++) {
    await load.write(5);
    expect(await redis.flush()).toBeGreaterThan(320);
  }
  await load.write(2);
  expect(await fallbacks()).toBeGreaterThan(fallbacksBefore);
  const report = await load.finish();
  expect(report.failedSends).toBe(0);
});

test("FLUSHALL after the end leaves 320 streams readable from the beginning, rebuilt from the log", async () => {
  const load = await startLoad("ended");
  await load.write(8);
  await load.end();
  await load.catchUp();
  // What the log's last three seconds held comes back by itself; older streams are rebuilt for their readers.
  await expect.poll(() => redis.exists(chunksKeyOf(load.streamIds[0]!)), WAIT).toBe(false);
  const rebuildsBefore = await sumOver(stack, "ingest", REBUILDS);
  expect(await redis.flush()).toBeGreaterThan(320);
  await load.finish();
  expect((await sumOver(stack, "ingest", REBUILDS)) - rebuildsBefore).toBeGreaterThanOrEqual(300);
});

test("deleting only the record, only the chunks, or both of 320 running streams, three times, is noticed and mended", async () => {
  const load = await startLoad("damaged");
  for (let round = 0; round < 3; round++) {
    await load.write(4);
    await load.catchUp();
    const keys = load.streamIds.flatMap((streamId, index) => {
      const [meta, chunks] = [metaKeyOf(streamId), chunksKeyOf(streamId)];
      return [[meta], [chunks], [meta, chunks]][(index + round) % 3]!;
    });
    expect(await redis.deleteKeys(keys)).toBe(keys.length);
  }
  await load.write(2);
  const report = await load.finish();
  expect(report.failedSends).toBe(0);
});

test("a Redis that dies and comes back empty under 500 live streams takes nothing from them", async () => {
  const load = await startLoad("emptied", { streams: 480, paceMs: 600 });
  await load.write(3);
  const pid = stack.redis.pid;
  await stack.redis.kill();
  await load.write(1);
  await stack.redis.restart();
  expect(stack.redis.pid).not.toBe(pid);
  expect(await redis.info("rdb_last_load_keys_loaded")).toBe("0");
  await load.write(3);
  const report = await load.finish();
  expect(report.failedSends).toBe(0);
});

test("a Redis that comes back with an older snapshot never lets a sequence stand for another chunk", async () => {
  const load = await startLoad("restored");
  await load.write(4);
  const fallbacksBefore = await fallbacks();
  await redis.saveSnapshot();
  const { streamIds } = load;
  const saved = await Promise.all(streamIds.map((streamId) => redis.head(streamId)));
  await load.write(5);
  await load.catchUp();
  const heads = await Promise.all(streamIds.map((streamId) => redis.head(streamId)));
  expect(heads.filter((head, index) => head > saved[index]!)).toHaveLength(320);
  await stack.redis.kill();
  await stack.redis.restart();
  expect(Number(await redis.info("rdb_last_load_keys_loaded"))).toBeGreaterThan(320);
  await expect.poll(fallbacks, WAIT).toBeGreaterThan(fallbacksBefore);
  await load.write(2);
  const report = await load.finish();
  expect(report.failedSends).toBe(0);
});

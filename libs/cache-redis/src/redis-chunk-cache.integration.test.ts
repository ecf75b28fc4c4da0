import { chunksKey, endedStreamsKey, metaKey, openStreamsKey } from "@sluice/protocol";
import {
  startRedis,
  chunkCacheContract,
  partitionLeasesContract,
  CACHE_ENDED_STREAMS,
  CACHE_PARTITIONS,
  memoryChunkCacheUnderTest,
  runSchedule,
  schedules,
  type ChunkCacheUnderTest,
  type PartitionLeasesUnderTest,
} from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import * as fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RedisChunkCache } from "./redis-chunk-cache.ts";
import { createRedis, type RedisConnection } from "./redis-connection.ts";
import { RedisPartitionLeases } from "./redis-partition-leases.ts";

let server: ServerHandle;
let connection: RedisConnection;
/** Past the adapters: for losses, and to look at what they wrote. */
let redis: Redis;

beforeAll(async () => {
  // A server of our own: the suites flush it.
  server = await startRedis({ local: true });
  connection = createRedis(server.url);
  redis = new Redis(server.url);
});

afterAll(async () => {
  redis.disconnect();
  await connection.close();
  await server.stop();
});

async function redisChunkCacheUnderTest(): Promise<ChunkCacheUnderTest> {
  await redis.flushall();
  return {
    cache: new RedisChunkCache(connection, {
      partitions: CACHE_PARTITIONS,
      maxEndedStreams: CACHE_ENDED_STREAMS,
    }),
    flush: async () => void (await redis.flushall()),
    dropChunks: async (streamId) => void (await redis.del(chunksKey(0, streamId))),
    dropMeta: async (streamId) => void (await redis.del(metaKey(0, streamId))),
    snapshot: async () => {
      const dumps = await dumpAll();
      return async () => {
        const pipeline = redis.multi().flushall();
        for (const { key, dump, ttlMs } of dumps) pipeline.restore(key, ttlMs, dump);
        await pipeline.exec();
      };
    },
    chunksTtlMs: async (streamId) => {
      const ttlMs = await redis.pttl(chunksKey(0, streamId));
      return ttlMs === -2 ? null : ttlMs;
    },
    recordTtlMs: async (streamId) => {
      const ttlMs = await redis.pttl(metaKey(0, streamId));
      return ttlMs === -2 ? null : ttlMs;
    },
    expireChunksIn: async (streamId, ttlMs) => void (await redis.pexpire(chunksKey(0, streamId), ttlMs)),
    [Symbol.asyncDispose]: async () => {},
  };
}

async function dumpAll(): Promise<{ key: string; dump: Buffer; ttlMs: number }[]> {
  const keys = await redis.keys("*");
  return Promise.all(
    keys.map(async (key) => {
      const dump = await redis.dumpBuffer(key);
      if (dump === null) throw new Error(`${key} is gone`);
      return { key, dump, ttlMs: Math.max(0, await redis.pttl(key)) };
    }),
  );
}

async function redisPartitionLeasesUnderTest(): Promise<PartitionLeasesUnderTest> {
  await redis.flushall();
  return {
    cache: new RedisChunkCache(connection, { partitions: 3 }),
    leases: new RedisPartitionLeases(connection, { partitions: 3 }),
    // Time is the server's and can't be moved: the server itself waits.
    elapse: async (ms) => void (await redis.blpop("no such list", ms / 1000)),
    [Symbol.asyncDispose]: async () => {},
  };
}

chunkCacheContract("RedisChunkCache", redisChunkCacheUnderTest);
partitionLeasesContract("RedisPartitionLeases", redisPartitionLeasesUnderTest);

describe("RedisChunkCache beside MemoryChunkCache", () => {
  it("shows the same outcomes and records, step by step", async () => {
    await fc.assert(
      fc.asyncProperty(schedules, async (steps) => {
        await using inMemory = await memoryChunkCacheUnderTest();
        await using inRedis = await redisChunkCacheUnderTest();
        expect(await runSchedule(inRedis, steps)).toEqual(await runSchedule(inMemory, steps));
      }),
      { numRuns: 60 },
    );
  });
});

describe("RedisChunkCache on its server", () => {
  const checkpoint = { brokerSequence: 1, timestampMs: 1, logCreatedMs: 1 };
  const entry = {
    streamId: "s",
    brokerSequence: 1,
    timestampMs: 1,
    firstSequence: 1,
    isTombstone: false,
    options: null,
    beatIntervalMs: null,
    elements: [{ kind: "chunk" as const, body: '"chunk_type":{}}', endStatus: null, cacheTtlSeconds: null }],
  };

  it("loads its scripts again after SCRIPT FLUSH", async () => {
    await using harness = await redisChunkCacheUnderTest();
    const { cache } = harness;
    await cache.seedCheckpoint(0, { ...checkpoint, brokerSequence: 0 });
    await redis.script("FLUSH");
    expect(await cache.append({ partition: 0, readAfter: 0, checkpoint, entries: [entry] })).toMatchObject({
      kind: "applied",
    });
    await redis.script("FLUSH");
    expect(await cache.readPage("s", 0, { maxChunks: 9, maxBytes: 99 })).toMatchObject({ head: 1 });
    await redis.script("FLUSH");
    const pages = Array.from({ length: 20 }, () => cache.readPage("s", 0, { maxChunks: 9, maxBytes: 99 }));
    expect((await Promise.all(pages)).map((page) => page?.head)).toEqual(pages.map(() => 1));
  });

  it("throws a plain Error and writes nothing where a key is of a foreign type", async () => {
    await using harness = await redisChunkCacheUnderTest();
    const { cache } = harness;
    await cache.seedCheckpoint(0, { ...checkpoint, brokerSequence: 0 });
    await redis.set(chunksKey(0, "s"), "not ours");
    const attempt = cache.append({ partition: 0, readAfter: 0, checkpoint, entries: [entry] });
    await expect(attempt).rejects.toThrow(/^could not append a batch: WRONGTYPE/);
    await expect(attempt).rejects.not.toHaveProperty("code");
    expect(await cache.readInfo("s")).toBeNull();
    expect(await cache.readCheckpoint(0)).toMatchObject({ brokerSequence: 0 });
  });

  it("writes nothing at all of a batch where Redis is full", async () => {
    await using harness = await redisChunkCacheUnderTest();
    const { cache } = harness;
    await cache.seedCheckpoint(0, { ...checkpoint, brokerSequence: 0 });
    await redis.config("SET", "maxmemory", "1");
    try {
      await expect(
        cache.append({ partition: 0, readAfter: 0, checkpoint, entries: [entry] }),
      ).rejects.toMatchObject({
        code: "CACHE_UNAVAILABLE",
      });
    } finally {
      await redis.config("SET", "maxmemory", "0");
    }
    expect(await cache.readInfo("s")).toBeNull();
    expect(await cache.readCheckpoint(0)).toMatchObject({ brokerSequence: 0 });
  });

  it("looks at a bounded number of ids for a rare prefix, and goes on where it stopped", async () => {
    await using harness = await redisChunkCacheUnderTest();
    const { cache } = harness;
    await cache.seedCheckpoint(0, { ...checkpoint, brokerSequence: 0 });
    const ids = Array.from({ length: 600 }, (_, index) => `common-${index}`);
    await redis.zadd(openStreamsKey(0), 0, "rare", ...ids.flatMap((id, index) => [index + 1, id]));
    const query = { list: "open" as const, prefix: "rare", limit: 10 };
    let page = await cache.readRecentStreams(0, { ...query, after: null });
    const stops = [page.next?.updatedMs];
    while (page.next !== null) {
      expect(page.streams).toEqual([]);
      page = await cache.readRecentStreams(0, { ...query, after: page.next });
      stops.push(page.next?.updatedMs);
    }
    expect(stops).toEqual([351, 101, undefined]);
    expect(page.streams).toEqual([{ streamId: "rare", updatedMs: 0 }]);
  });

  it("touches no list of ended streams with an append that ends none", async () => {
    await using harness = await redisChunkCacheUnderTest();
    const { cache } = harness;
    await cache.seedCheckpoint(0, { ...checkpoint, brokerSequence: 0 });
    await redis.set(endedStreamsKey(0), "would fail");
    expect(await cache.append({ partition: 0, readAfter: 0, checkpoint, entries: [entry] })).toMatchObject({
      kind: "applied",
    });
  });

  it("gives every key but the checkpoint, the open streams and the members a time to live", async () => {
    await using harness = await redisChunkCacheUnderTest();
    const { cache } = harness;
    await cache.seedCheckpoint(0, { ...checkpoint, brokerSequence: 0 });
    await cache.append({ partition: 0, readAfter: 0, checkpoint, entries: [entry] });
    expect(await redis.pttl(metaKey(0, "s"))).toBeGreaterThan(604_790_000);
    expect(await redis.pttl(chunksKey(0, "s"))).toBeGreaterThan(290_000);
    expect((await redis.keys("*")).sort()).toEqual([
      "ingest:checkpoint:{p0}",
      "stream:chunks:{p0}:s",
      "stream:meta:{p0}:s",
      "stream:open:{p0}",
    ]);
    const tombstone = { ...entry, brokerSequence: 2, isTombstone: true, elements: [] };
    await cache.append({
      partition: 0,
      readAfter: 1,
      checkpoint: { ...checkpoint, brokerSequence: 2 },
      entries: [tombstone],
    });
    expect(await redis.pttl(endedStreamsKey(0))).toBeGreaterThan(604_790_000);
  });
});

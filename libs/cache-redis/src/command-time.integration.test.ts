import type { CachedChunk, LogEntry } from "@sluice/core";
import { chunksKey, endedStreamsKey, openStreamsKey } from "@sluice/protocol";
import type { ServerHandle } from "@sluice/servers";
import { startRedis } from "@sluice/testing";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { RedisChunkCache } from "./redis-chunk-cache.ts";
import { createRedis, type RedisConnection } from "./redis-connection.ts";
import { RedisRequestRecords } from "./redis-request-records.ts";

/** While a command runs, Redis serves nobody else: neither ingest nor any reader. */
const MOST_MS = 20;

const MIB = 1024 * 1024;
const META_TTL_MS = 7 * 24 * 60 * 60 * 1000;

let server: ServerHandle;
let connection: RedisConnection;
let cache: RedisChunkCache;
/** Past the adapter: to look at the server's own clock of work. */
let redis: Redis;
let position = 0;

beforeAll(async () => {
  server = await startRedis({ local: true });
  connection = createRedis(server.url, { commandTimeoutMs: 30_000 });
  cache = new RedisChunkCache(connection, { partitions: 1 });
  redis = new Redis(server.url);
  await cache.seedCheckpoint(0, { brokerSequence: 0, timestampMs: 0, logCreatedMs: 1 });
});

afterAll(async () => {
  redis.disconnect();
  await connection.close();
  await server.stop();
});

/** What the server's own thread has worked, ms: unlike the time that passes, it is the same on a busy machine. */
async function workedMs(): Promise<number> {
  const info = await redis.info("cpu");
  const secondsOf = (kind: string): number =>
    Number(new RegExp(`used_cpu_${kind}_main_thread:([\\d.]+)`).exec(info)?.[1]);
  return (secondsOf("user") + secondsOf("sys")) * 1000;
}

/** The least of several: what the machine adds now and then isn't the command's. */
async function costOf(command: (run: number) => Promise<unknown>): Promise<number> {
  const costs: number[] = [];
  for (let run = 0; run < 4; run++) {
    const before = await workedMs();
    await command(run);
    costs.push((await workedMs()) - before);
  }
  expect(costs.every((cost) => Number.isFinite(cost))).toBe(true);
  return Math.min(...costs);
}

function entry(streamId: string, bodies: readonly string[], fields: Partial<LogEntry> = {}): LogEntry {
  return {
    streamId,
    brokerSequence: ++position,
    timestampMs: position,
    firstSequence: 1,
    isTombstone: false,
    options: null,
    beatIntervalMs: null,
    elements: bodies.map((body) => ({ kind: "chunk", body, endStatus: null, cacheTtlSeconds: null })),
    ...fields,
  };
}

async function append(entries: readonly LogEntry[]): Promise<void> {
  const readAfter = (entries[0]?.brokerSequence ?? 1) - 1;
  const checkpoint = { brokerSequence: position, timestampMs: position, logCreatedMs: 1 };
  const outcome = await cache.append({ partition: 0, readAfter, checkpoint, entries });
  expect(outcome.kind).toBe("applied");
}

const body = (bytes: number): string => "b".repeat(bytes);

it("takes Redis at most 20 ms to append the largest batches that ingest makes", async () => {
  // By elements, by bytes, by streams, and the largest message.
  const batches: ((run: number) => LogEntry[])[] = [
    (run) => [entry(`elements-${run}`, Array<string>(1_024).fill(body(500)))],
    (run) => [entry(`bytes-${run}`, Array<string>(16).fill(body(32 * 1024)))],
    (run) => Array.from({ length: 128 }, (_, index) => entry(`streams-${run}-${index}`, [body(4_000)])),
    (run) => [entry(`message-${run}`, [body(MIB)])],
  ];
  for (const batch of batches) {
    expect(await costOf((run) => append(batch(run)))).toBeLessThan(MOST_MS);
  }
});

it("takes Redis at most 20 ms to lay back the largest pages that a rebuild makes", async () => {
  const chunks = (count: number, bytes: number): CachedChunk[] =>
    Array.from({ length: count }, (_, index) => ({ sequence: index + 1, json: Buffer.from(body(bytes)) }));
  for (const page of [chunks(512, 1_000), chunks(16, 32 * 1024), chunks(1, MIB)]) {
    const restore = (streamId: string): Promise<boolean> =>
      cache.restore({ partition: 0, streamId, chunkTtlSeconds: 300, chunks: page, completion: null });
    const name = `laid-${page.length}`;
    expect(await costOf((run) => restore(`${name}-${run}`))).toBeLessThan(MOST_MS);
    expect(await costOf(() => restore(`${name}-0`))).toBeLessThan(MOST_MS);
  }
});

it("takes Redis at most 20 ms to read any page of, and to delete, a stream of 1,000 chunks of 1 MiB", async () => {
  const fill = "for n = ARGV[1], ARGV[1] + 49 do redis.call('ZADD', KEYS[1], n, n .. ':' .. ARGV[2]) end";
  for (let first = 1; first < 1_000; first += 50)
    await redis.eval(fill, 1, chunksKey(0, "huge"), first, body(MIB));
  await append([entry("huge", [body(10)], { firstSequence: 1_001 })]);
  for (const bounds of [
    { maxChunks: 256, maxBytes: 256 * 1024 },
    { maxChunks: 1_000, maxBytes: MIB },
    { maxChunks: 0, maxBytes: 1 },
  ]) {
    const positions = [0, 500, 998, Number.MAX_SAFE_INTEGER];
    expect(await costOf((run) => cache.readPage("huge", positions[run] ?? 0, bounds))).toBeLessThan(MOST_MS);
  }
  const before = await workedMs();
  await append([entry("huge", [], { isTombstone: true, firstSequence: null })]);
  expect((await workedMs()) - before).toBeLessThan(MOST_MS);
  expect(await cache.readPage("huge", 0, { maxChunks: 9, maxBytes: 9 })).toMatchObject({ status: "deleted" });
}, 180_000);

it("takes Redis at most 20 ms to read the longest page of small chunks", async () => {
  for (let message = 0; message < 50; message++)
    await append([
      entry("long", Array<string>(1_024).fill(body(10)), message === 0 ? {} : { firstSequence: null }),
    ]);
  const bounds = { maxChunks: 1_000, maxBytes: MIB };
  const page = await cache.readPage("long", 20_000, bounds);
  expect(page?.chunks.length).toBe(1_000);
  expect(await costOf(() => cache.readPage("long", 20_000, bounds))).toBeLessThan(MOST_MS);
});

it("takes Redis at most 20 ms to list and to cut long lists of streams", async () => {
  const many = 100_000;
  for (let from = 0; from < many; from += 10_000) {
    const members = Array.from({ length: 10_000 }, (_, index) => [from + index, `open-${from + index}`]);
    await redis.zadd(openStreamsKey(0), ...members.flat());
  }
  // As many as are listed, all of them so old that the next one that ends lets all of them go.
  const ended = Array.from({ length: 10_000 }, (_, index) => [index, `ended-${index}`]);
  const query = { list: null, prefix: "nobody", limit: 250 };
  const after = { streamId: "open-50000", updatedMs: 50_000 };
  expect(await costOf(() => cache.readOpenStreams(0, after, 256))).toBeLessThan(MOST_MS);
  expect(await costOf(() => cache.readRecentStreams(0, { ...query, after }))).toBeLessThan(MOST_MS);
  const cost = await costOf(async (run) => {
    await redis.zadd(endedStreamsKey(0), ...ended.flat());
    const before = await workedMs();
    const last = {
      kind: "chunk" as const,
      body: body(10),
      endStatus: "completed" as const,
      cacheTtlSeconds: null,
    };
    await append([
      entry(`last-${run}`, [], { elements: [last], timestampMs: (run + 2) * META_TTL_MS + position }),
    ]);
    const spent = (await workedMs()) - before;
    expect(spent).toBeLessThan(MOST_MS);
    return spent;
  });
  expect(cost).toBeGreaterThan(0);
});

it("takes Redis at most 20 ms to replace the largest record of a request, and to record a wish to stop", async () => {
  const records = new RedisRequestRecords(connection);
  let standing: string | null = null;
  const cost = await costOf(async (run) => {
    const next = String(run).padEnd(MIB, "r");
    expect(await records.replace("key", standing, next, 60_000)).toBe(true);
    standing = next;
  });
  expect(cost).toBeLessThan(MOST_MS);
  expect(
    await costOf(() => cache.requestCancel("long", { requestedMs: 1, reason: "requested" })),
  ).toBeLessThan(MOST_MS);
});

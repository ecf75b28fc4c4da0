import { partitionOf, StreamError } from "@sluice/core";
import { freePort, waitUntil, type ServerHandle } from "@sluice/servers";
import { startRedis } from "@sluice/testing";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RedisChunkCache } from "./redis-chunk-cache.ts";
import { createRedis, type RedisConnection } from "./redis-connection.ts";
import { RedisPartitionLeases } from "./redis-partition-leases.ts";

/** What a caller may have to wait: the command's time-out and a noisy machine. */
const BOUND_MS = 2500;

/** How an attempt failed, and whether within the bound. */
async function failureOf(attempt: Promise<unknown>): Promise<{ code: unknown; isInTime: boolean }> {
  const startedMs = performance.now();
  const error: unknown = await attempt.then(
    () => null,
    (reason: unknown) => reason,
  );
  const isInTime = performance.now() - startedMs < BOUND_MS;
  return { code: error instanceof StreamError ? error.code : error, isInTime };
}

const UNAVAILABLE = { code: "CACHE_UNAVAILABLE", isInTime: true };

function untilAnswering(connection: RedisConnection): Promise<void> {
  const answers = async () => {
    try {
      await connection.ping();
      return true;
    } catch {
      return false;
    }
  };
  return waitUntil("Redis", answers, { timeoutMs: 10_000 });
}

describe("a connection whose Redis is away", () => {
  it("fails in bounded time while Redis is paused, and works again afterwards", async () => {
    await using server = await startRedis({ local: true });
    const connection = createRedis(server.url);
    const cache = new RedisChunkCache(connection, { partitions: 4 });
    await cache.readCheckpoint(0);
    await server.pause();
    try {
      const attempts = await Promise.all([
        failureOf(cache.readPage("s", 0, { maxChunks: 1, maxBytes: 1 })),
        failureOf(
          cache.append({
            partition: 0,
            readAfter: 0,
            checkpoint: { brokerSequence: 0, timestampMs: 0, logCreatedMs: 0 },
            entries: [],
          }),
        ),
        failureOf(cache.readCheckpoint(0)),
        failureOf(new RedisPartitionLeases(connection, { partitions: 4 }).owners()),
      ]);
      expect(attempts).toEqual(attempts.map(() => UNAVAILABLE));
    } finally {
      await server.resume();
    }
    await untilAnswering(connection);
    expect(await cache.readCheckpoint(0)).toBeNull();
    await connection.close();
  });

  it("fails in bounded time where nobody listens, and connects once somebody does", async () => {
    const server = await startRedis({ local: true });
    const errors: Error[] = [];
    await server.kill();
    const connection = createRedis(server.url, { onError: (error) => errors.push(error) });
    expect(await failureOf(connection.ping())).toEqual(UNAVAILABLE);
    expect(await failureOf(connection.ping())).toEqual(UNAVAILABLE);
    expect(errors).not.toEqual([]);
    await server.restart();
    await untilAnswering(connection);
    await connection.close();
    await server.stop();
  });

  it("fails in bounded time where no node of a cluster, and no sentinel, is there", async () => {
    const port = await freePort();
    for (const url of [`redis+cluster://127.0.0.1:${port}`, `redis+sentinel://127.0.0.1:${port}/main`]) {
      const connection = createRedis(url);
      expect(await failureOf(connection.ping())).toEqual(UNAVAILABLE);
      await connection.close();
    }
  });

  it("goes on where the connection broke under a call and the next one stood at once", async () => {
    await using server = await startRedis({ local: true });
    const connection = createRedis(server.url);
    await connection.ping();
    const blocked = connection.run("wait", (client) => client.blpop("nothing", 0.5)).catch(() => null);
    const other = new Redis(server.url);
    const isBlocked = async () => (await other.info("clients")).includes("blocked_clients:1");
    await waitUntil("the call", isBlocked, { timeoutMs: 10_000 });
    await other.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    expect(await blocked).toBeNull();
    await untilAnswering(connection);
    other.disconnect();
    await connection.close();
  });

  it("sends what a broken connection left unanswered once more where its caller waits, and never where none does", async () => {
    await using server = await startRedis({ local: true });
    const counted = async (name: string, commandTimeoutMs: number): Promise<number[]> => {
      const lost = Promise.withResolvers<void>();
      const connection = createRedis(server.url, { commandTimeoutMs, onError: () => lost.resolve() });
      await connection.ping();
      await server.pause();
      const calls = Array.from({ length: 40 }, () =>
        connection
          .run("count", (client) => client.incr(name))
          .then(
            () => 1,
            () => 0,
          ),
      );
      // Longer than the client waits for a byte: it gives the connection up, and the server finds all calls in it.
      await lost.promise;
      await server.resume();
      const answered = await Promise.all(calls);
      await untilAnswering(connection);
      const took = Number(await connection.run("look", (client) => client.get(name)));
      await connection.close();
      return [took, answered.reduce<number>((sum, one) => sum + one, 0)];
    };
    expect(await counted("given-up", 1_500)).toEqual([40, 0]);
    expect(await counted("waited-for", 20_000)).toEqual([80, 40]);
  });

  it("holds what is asked while there is no connection, and drops it where its caller leaves before there is one", async () => {
    await using server = await startRedis({ local: true });
    const connection = createRedis(server.url, { commandTimeoutMs: 500 });
    await connection.ping();
    await server.kill();
    await failureOf(connection.ping());
    const calls = Array.from({ length: 40 }, () => connection.run("count", (client) => client.incr("late")));
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map(({ status }) => status)).toEqual(calls.map(() => "rejected"));
    await server.restart();
    await untilAnswering(connection);
    expect(await connection.run("look", (client) => client.get("late"))).toBeNull();
    await connection.close();
  });

  it("refuses calls once it is closed, and closes only once", async () => {
    await using server = await startRedis({ local: true });
    const connection = createRedis(server.url);
    await connection.ping();
    const closing = connection.close();
    expect(connection.close()).toBe(closing);
    await closing;
    await expect(connection.ping()).rejects.toMatchObject({ code: "CACHE_UNAVAILABLE" });
  });
});

describe("a connection to a cluster", () => {
  const nodes: ServerHandle[] = [];

  beforeAll(async () => {
    const halves = [
      [0, 8191],
      [8192, 16_383],
    ] as const;
    const busPorts: number[] = [];
    for (const [first, last] of halves) {
      const busPort = await freePort();
      busPorts.push(busPort);
      const node = await startRedis({
        local: true,
        args: ["--cluster-enabled", "yes", "--cluster-port", String(busPort)],
      });
      nodes.push(node);
      const redis = new Redis(node.url);
      await redis.call("CLUSTER", "ADDSLOTSRANGE", first, last);
      await redis.call("CLUSTER", "SET-CONFIG-EPOCH", nodes.length);
      redis.disconnect();
    }
    const [one, other] = nodes;
    if (one === undefined || other === undefined) throw new Error("two nodes were started");
    const redis = new Redis(one.url);
    await redis.call("CLUSTER", "MEET", "127.0.0.1", other.port, busPorts[1] ?? 0);
    const isWhole = async () => (await redis.cluster("INFO")).includes("cluster_state:ok");
    await waitUntil("the cluster", isWhole, { timeoutMs: 20_000 });
    redis.disconnect();
  });

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  });

  it("finds each partition's node, for streams of all partitions at once", async () => {
    const connection = createRedis(nodes.map((node) => node.url).join(","));
    const partitions = 16;
    const cache = new RedisChunkCache(connection, { partitions });
    const leases = new RedisPartitionLeases(connection, { partitions });
    await untilAnswering(connection);
    const streamIds = Array.from({ length: 64 }, (_, index) => `stream-${index}`);
    const checkpoint = { brokerSequence: 0, timestampMs: 0, logCreatedMs: 1 };
    await Promise.all(
      Array.from({ length: partitions }, async (_, partition) => {
        await cache.seedCheckpoint(partition, checkpoint);
        await leases.acquire(partition, `owner-${partition}`, 60_000);
        const entries = streamIds
          .filter((streamId) => partitionOf(streamId, partitions) === partition)
          .map((streamId, index) => ({
            streamId,
            brokerSequence: index + 1,
            timestampMs: 1,
            firstSequence: 1,
            // Half of them end, so that both lists are written.
            isTombstone: index % 2 === 1,
            options: null,
            beatIntervalMs: null,
            elements: [{ kind: "rejected" as const, reason: "" }],
          }));
        const outcome = await cache.append({
          partition,
          readAfter: 0,
          checkpoint: { ...checkpoint, brokerSequence: entries.length },
          entries,
        });
        expect(outcome.kind).toBe("applied");
      }),
    );
    const pages = await Promise.all(
      streamIds.map((id) => cache.readPage(id, 0, { maxChunks: 9, maxBytes: 9 })),
    );
    expect(pages.map((page) => page?.head)).toEqual(streamIds.map(() => 1));
    const query = { list: null, prefix: "", after: null, limit: 64 };
    const lists = await Promise.all(
      Array.from({ length: partitions }, (_, partition) => cache.readRecentStreams(partition, query)),
    );
    const listed = lists.flatMap(({ streams }) => streams.map(({ streamId }) => streamId));
    expect(listed.toSorted()).toEqual(streamIds.toSorted());
    expect(await leases.owners()).toEqual(Array.from({ length: partitions }, (_, index) => `owner-${index}`));
    const renewals = await Promise.all(
      Array.from({ length: partitions }, (_, partition) =>
        leases.renew(partition, `owner-${partition}`, 60_000),
      ),
    );
    expect(renewals.map(({ isHeld }) => isHeld)).toEqual(renewals.map(() => true));
    expect(await leases.announce("m1", 60_000)).toEqual(["m1"]);
    await connection.close();
  });
});

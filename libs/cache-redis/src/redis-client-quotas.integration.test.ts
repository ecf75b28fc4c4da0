import { startRedis, clientQuotasContract } from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RedisClientQuotas } from "./redis-client-quotas.ts";
import { createRedis, type RedisConnection } from "./redis-connection.ts";
import { RedisSpace } from "./redis-space.ts";

let server: ServerHandle;
let connection: RedisConnection;
let redis: Redis;

beforeAll(async () => {
  server = await startRedis({ local: true });
  connection = createRedis(server.url);
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await connection.close();
  await server.stop();
});

clientQuotasContract("RedisClientQuotas", async () => {
  await redis.flushall();
  return {
    quotas: new RedisClientQuotas(connection),
    elapse: async (ms) => void (await redis.blpop("no such list", ms / 1000)),
    [Symbol.asyncDispose]: async () => {},
  };
});

test("an account is gone when it is full again, and its key doesn't show whose it is", async () => {
  await redis.flushall();
  const quotas = new RedisClientQuotas(connection);
  const bounds = { count: 2, bytes: 100, windowMs: 100 };
  expect(await quotas.take("streams address:192.0.2.7", { count: 1, bytes: 1 }, bounds)).toBe(0);
  const keys = await redis.keys("*");
  expect(keys).toHaveLength(1);
  expect(keys[0]).not.toContain("192.0.2.7");
  await expect.poll(() => redis.keys("*")).toEqual([]);
});

test("a Redis says how much it holds, and of how much it may", async () => {
  const space = new RedisSpace(connection);
  await redis.config("SET", "maxmemory", "0");
  expect(await space.readSpace()).toMatchObject({ limitBytes: Infinity });
  await redis.config("SET", "maxmemory", "64mb");
  const { usedBytes, limitBytes } = await space.readSpace();
  expect(limitBytes).toBe(64 * 1024 ** 2);
  expect(usedBytes).toBeGreaterThan(100_000);
  await redis.set("large", "x".repeat(8 * 1024 ** 2));
  expect((await space.readSpace()).usedBytes).toBeGreaterThan(usedBytes + 7 * 1024 ** 2);
});

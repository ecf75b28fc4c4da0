import { startRedis, requestRecordsContract } from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { Redis } from "ioredis";
import { afterAll, beforeAll } from "vitest";
import { createRedis, type RedisConnection } from "./redis-connection.ts";
import { RedisRequestRecords } from "./redis-request-records.ts";

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

requestRecordsContract("RedisRequestRecords", async () => {
  await redis.flushall();
  return {
    records: new RedisRequestRecords(connection),
    elapse: async (ms) => void (await redis.blpop("no such list", ms / 1000)),
    [Symbol.asyncDispose]: async () => {},
  };
});

import { createRedis } from "@sluice/cache-redis";
import { partitionOf } from "@sluice/core";
import { chunksKey, DEFAULT_PARTITIONS, metaKey } from "@sluice/protocol";

/** Looks into the cache of a stack, and damages it, behind everybody's back. */
export interface RedisProbe extends AsyncDisposable {
  /** All data gone at once, the server running. @returns how many keys there were */
  flush(): Promise<number>;
  keyCount(): Promise<number>;
  /** @returns how many of the keys were there */
  deleteKeys(keys: readonly string[]): Promise<number>;
  exists(key: string): Promise<boolean>;
  /** Reads a head from the stream's record; 0 where there is none. */
  head(streamId: string): Promise<number>;
  /** Writes the snapshot that the server loads at its next start. */
  saveSnapshot(): Promise<void>;
  /** A line of INFO. */
  info(field: string): Promise<string>;
}

export const metaKeyOf = (streamId: string): string =>
  metaKey(partitionOf(streamId, DEFAULT_PARTITIONS), streamId);
export const chunksKeyOf = (streamId: string): string =>
  chunksKey(partitionOf(streamId, DEFAULT_PARTITIONS), streamId);

/** @param url of a single server; reconnects by itself */
export function createRedisProbe(url: string): RedisProbe {
  const redis = createRedis(url, { commandTimeoutMs: 10_000 });
  const keyCount = (): Promise<number> => redis.run("count", (client) => client.dbsize());
  return {
    keyCount,
    async flush() {
      const count = await keyCount();
      await redis.run("flush", (client) => client.flushall());
      return count;
    },
    deleteKeys: (keys) => redis.run("delete", (client) => client.del(...keys)),
    exists: async (key) => (await redis.run("look", (client) => client.exists(key))) === 1,
    head: async (streamId) =>
      Number(await redis.run("look", (client) => client.hget(metaKeyOf(streamId), "sequence"))),
    saveSnapshot: async () => void (await redis.run("save", (client) => client.save())),
    async info(field) {
      const text = await redis.run("info", (client) => client.info());
      return text.match(new RegExp(`^${field}:(.*?)\\r?$`, "m"))?.[1] ?? "";
    },
    [Symbol.asyncDispose]: () => redis.close(),
  };
}

import { shareOf, type CacheSpace, type StorageSpace } from "@sluice/core";
import { Cluster } from "ioredis";
import type { RedisConnection } from "./redis-connection.ts";

/** Memory of the Redis server against its `maxmemory`; of a cluster that of its fullest master. */
export class RedisSpace implements CacheSpace {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async readSpace(): Promise<StorageSpace> {
    const texts = await this.#redis.run("ask for its memory", (client) =>
      Promise.all(
        (client instanceof Cluster ? client.nodes("master") : [client]).map((node) => node.info("memory")),
      ),
    );
    const spaces = texts.map(spaceOf);
    return spaces.reduce((fullest, space) => (shareOf(space) > shareOf(fullest) ? space : fullest), {
      usedBytes: Math.max(...spaces.map(({ usedBytes }) => usedBytes)),
      limitBytes: Infinity,
    });
  }
}

/** `maxmemory:0` is no limit. */
function spaceOf(info: string): StorageSpace {
  const numberOf = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
  return { usedBytes: numberOf("used_memory"), limitBytes: numberOf("maxmemory") || Infinity };
}

import type { RequestRecords } from "@sluice/core";
import { requestKey } from "@sluice/protocol";
import type { RedisConnection } from "./redis-connection.ts";

/** Records as strings with a time to live. None is empty: that stands for its absence. */
export class RedisRequestRecords implements RequestRecords {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  read(key: string): Promise<string | null> {
    return this.#redis.run("read a request's record", (client) => client.get(requestKey(key)));
  }

  async replace(key: string, before: string | null, after: string, ttlMs: number): Promise<boolean> {
    const args = [before ?? "", after, ttlMs];
    const reply = await this.#redis.script(
      "replace a request's record",
      "replace-record",
      [requestKey(key)],
      args,
    );
    return reply === 1;
  }
}

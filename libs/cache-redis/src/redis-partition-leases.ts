import type { Checkpoint, PartitionLeases } from "@sluice/core";
import { checkpointKey, leaseKey, MEMBERS_KEY } from "@sluice/protocol";
import { decodeCheckpoint } from "./checkpoint-json.ts";
import type { RedisConnection } from "./redis-connection.ts";

/** Leases as keys with a time to live, next to their partition's checkpoint; members in one ZSET. */
export class RedisPartitionLeases implements PartitionLeases {
  readonly #redis: RedisConnection;
  readonly #partitions: number;

  constructor(redis: RedisConnection, options: { partitions: number }) {
    this.#redis = redis;
    this.#partitions = options.partitions;
  }

  async announce(member: string, ttlMs: number): Promise<readonly string[]> {
    // Scripts have no clock, so that replicas agree. Between the nodes of a cluster it differs by little against the TTL.
    const [seconds, microseconds] = await this.#redis.run("read the clock", (client) => client.time());
    const nowMs = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
    const reply = await this.#redis.script(
      "announce a member",
      "members-announce",
      [MEMBERS_KEY],
      [member, nowMs, ttlMs],
    );
    return (reply as Buffer[]).map(String).sort();
  }

  async withdraw(member: string): Promise<void> {
    await this.#redis.run("withdraw a member", (client) => client.zrem(MEMBERS_KEY, member));
  }

  /** One GET each, since the keys lie in different slots; the client sends them together. */
  owners(): Promise<readonly (string | null)[]> {
    return this.#redis.run("read the leases", (client) =>
      Promise.all(
        Array.from({ length: this.#partitions }, (_, partition) => client.get(leaseKey(partition))),
      ),
    );
  }

  async acquire(partition: number, member: string, ttlMs: number): Promise<boolean> {
    const reply = await this.#redis.run("acquire a lease", (client) =>
      client.set(leaseKey(partition), member, "PX", ttlMs, "NX"),
    );
    return reply === "OK";
  }

  async renew(
    partition: number,
    member: string,
    ttlMs: number,
  ): Promise<{ isHeld: boolean; checkpoint: Checkpoint | null }> {
    const keys = [leaseKey(partition), checkpointKey(partition)];
    const reply = await this.#redis.script("renew a lease", "lease-renew", keys, [member, ttlMs]);
    const [held, checkpoint] = reply as [number, Buffer | null];
    return {
      isHeld: held === 1,
      checkpoint: checkpoint === null ? null : decodeCheckpoint(String(checkpoint)),
    };
  }

  async release(partition: number, member: string): Promise<void> {
    await this.#redis.script("release a lease", "lease-release", [leaseKey(partition)], [member]);
  }
}

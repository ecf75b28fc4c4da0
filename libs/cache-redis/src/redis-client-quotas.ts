import { createHash } from "node:crypto";
import type { ClientQuotas, QuotaAmount, QuotaBounds } from "@sluice/core";
import { quotaKey } from "@sluice/protocol";
import type { RedisConnection } from "./redis-connection.ts";

/** Accounts as HASHes that expire when they are full again. */
export class RedisClientQuotas implements ClientQuotas {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async take(account: string, amount: QuotaAmount, bounds: QuotaBounds, isForced = false): Promise<number> {
    // A hash: names are of any length, and addresses of clients are nobody's business who looks at keys.
    const key = quotaKey(createHash("sha256").update(account).digest("base64url"));
    const args = [amount.count, amount.bytes, bounds.count, bounds.bytes, bounds.windowMs, Date.now()];
    const reply = await this.#redis.script(
      "take from a client's quota",
      "take-quota",
      [key],
      [...args, isForced ? 1 : 0],
    );
    return Number(reply);
  }
}

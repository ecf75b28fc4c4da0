import { StreamError, type ClientQuotas, type QuotaAmount, type QuotaBounds } from "@sluice/core";

/** Accounts of one process. */
export class MemoryClientQuotas implements ClientQuotas {
  readonly #accounts = new Map<string, QuotaAmount & { atMs: number; fullMs: number }>();
  readonly #now: () => number;
  /** False: whatever is asked throws CACHE_UNAVAILABLE. */
  isReachable = true;

  /** @param now the clock, ms */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  async take(account: string, amount: QuotaAmount, bounds: QuotaBounds, isForced = false): Promise<number> {
    if (!this.isReachable) throw new StreamError("CACHE_UNAVAILABLE", "the accounts can't be reached");
    const nowMs = this.#now();
    this.#forgetFull(nowMs);
    const used = this.#accounts.get(account) ?? { count: 0, bytes: 0, atMs: nowMs };
    const atMs = Math.max(nowMs, used.atMs);
    const usedAfter = (kind: "count" | "bytes"): number => {
      const refilled = ((atMs - used.atMs) * bounds[kind]) / bounds.windowMs;
      return Math.max(0, Math.max(0, used[kind] - refilled) + amount[kind]);
    };
    const next = { count: usedAfter("count"), bytes: usedAfter("bytes") };
    const excess = Math.max(next.count / bounds.count, next.bytes / bounds.bytes) - 1;
    if (excess > 0 && !isForced) return Math.ceil(excess * bounds.windowMs);
    this.#accounts.delete(account);
    this.#accounts.set(account, { ...next, atMs, fullMs: atMs + bounds.windowMs });
    return 0;
  }

  /** Forgets accounts that are whole again. Those used longest ago stand first. */
  #forgetFull(nowMs: number): void {
    for (const [account, { fullMs }] of this.#accounts) {
      if (fullMs > nowMs) return;
      this.#accounts.delete(account);
    }
  }
}

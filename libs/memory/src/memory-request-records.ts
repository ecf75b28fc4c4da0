import { StreamError, type RequestRecords } from "@sluice/core";

// Without this bound a launcher in memory that is left running holds every record of a day.
const MAX_RECORDS = 100_000;

/** Records of one process. */
export class MemoryRequestRecords implements RequestRecords {
  readonly #records = new Map<string, { record: string; expiresMs: number }>();
  readonly #now: () => number;
  /** False: whatever is asked throws CACHE_UNAVAILABLE. */
  isReachable = true;

  /** @param now the clock, ms */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  async read(key: string): Promise<string | null> {
    return this.#standing(key);
  }

  async replace(key: string, before: string | null, after: string, ttlMs: number): Promise<boolean> {
    if (this.#standing(key) !== before) return false;
    this.#records.delete(key);
    const [oldest] = this.#records.keys();
    if (this.#records.size >= MAX_RECORDS && oldest !== undefined) this.#records.delete(oldest);
    this.#records.set(key, { record: after, expiresMs: this.#now() + ttlMs });
    return true;
  }

  /** Forgets everything, as FLUSHALL does. */
  flush(): void {
    this.#records.clear();
  }

  #standing(key: string): string | null {
    if (!this.isReachable) throw new StreamError("CACHE_UNAVAILABLE", "the records can't be reached");
    const entry = this.#records.get(key);
    return entry !== undefined && entry.expiresMs > this.#now() ? entry.record : null;
  }
}

import { StreamError, type CacheSpace, type PartitionLog, type StorageSpace } from "@sluice/core";
import type { Logger } from "@sluice/runtime";

/** Interval between looks: a store takes longer than that to fill, and each look costs the log's leader something. */
const INTERVAL_MS = 5_000;

/** One stream may take at most this share of the cache, or it alone can keep everybody else out. */
const MAX_STREAM_SHARE = 0.5;

export type Store = "log" | "cache";

export interface StorageWatchOptions {
  log: Pick<PartitionLog, "facts">;
  /** Null: the cache has no bound that is known. */
  cacheSpace: CacheSpace | null;
  maxStreamBytes: number;
  logger: Logger;
}

/**
 * Looks every five seconds at how full log and cache are, for the metrics. The first look at the cache tells loudly where
 * one stream may become as large as half of it: ingest goes on, since a smaller Redis is no reason to stop all streams.
 */
export class StorageWatch {
  readonly #options: StorageWatchOptions;
  readonly #spaces = new Map<Store, StorageSpace>();
  readonly #timer: NodeJS.Timeout;
  #isLooking = false;
  #isChecked = false;

  constructor(options: StorageWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), INTERVAL_MS);
    void this.#look();
  }

  /** Stores as they were last seen; one that was never seen is missing. */
  get spaces(): ReadonlyMap<Store, StorageSpace> {
    return this.#spaces;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { log, cacheSpace } = this.#options;
    await Promise.all([
      this.#see("log", async () => (await log.facts()).space),
      cacheSpace === null ? undefined : this.#see("cache", () => cacheSpace.readSpace()),
    ]);
    this.#check();
    this.#isLooking = false;
  }

  async #see(store: Store, read: () => Promise<StorageSpace>): Promise<void> {
    try {
      this.#spaces.set(store, await read());
    } catch (error) {
      // Away: others tell, and louder.
      if (!(error instanceof StreamError)) throw error;
    }
  }

  #check(): void {
    const cache = this.#spaces.get("cache");
    if (this.#isChecked || cache === undefined) return;
    this.#isChecked = true;
    const { maxStreamBytes, logger } = this.#options;
    if (maxStreamBytes <= cache.limitBytes * MAX_STREAM_SHARE) return;
    logger.error(
      { maxStreamBytes, maxmemory: cache.limitBytes },
      "MAX_STREAM_BYTES is more than half of Redis' maxmemory: one stream can fill Redis, and then no stream goes on; " +
        "lower MAX_STREAM_BYTES or raise maxmemory",
    );
  }
}

import type { ChunkCache } from "@sluice/core";

/** Number of partitions of the suites' caches. */
export const CACHE_PARTITIONS = 1;

/** How many ended streams they list. */
export const CACHE_ENDED_STREAMS = 4;

/** A cache under test, empty at first, with the losses that a real one suffers. */
export interface ChunkCacheUnderTest extends AsyncDisposable {
  readonly cache: ChunkCache;
  flush(): Promise<void>;
  dropChunks(streamId: string): Promise<void>;
  dropMeta(streamId: string): Promise<void>;
  /** @returns what brings everything back to where it is now */
  snapshot(): Promise<() => Promise<void>>;
  /** Null where the stream has no chunks. */
  chunksTtlMs(streamId: string): Promise<number | null>;
  /** How long a stream's record still lives, ms; null where there is none. */
  recordTtlMs(streamId: string): Promise<number | null>;
  expireChunksIn(streamId: string, ttlMs: number): Promise<void>;
}

import { HARNESS_PARTITIONS, type ChunkCacheHarness } from "./chunk-cache-harness.ts";
import { MemoryChunkCache } from "./memory-chunk-cache.ts";

export async function memoryChunkCacheHarness(): Promise<ChunkCacheHarness> {
  const cache = new MemoryChunkCache({ partitions: HARNESS_PARTITIONS });
  return {
    cache,
    flush: async () => cache.flush(),
    dropChunks: async (streamId) => cache.dropChunks(streamId),
    dropMeta: async (streamId) => cache.dropMeta(streamId),
    snapshot: async () => {
      const snapshot = cache.snapshot();
      return async () => cache.rollback(snapshot);
    },
    chunksTtlMs: async (streamId) => cache.chunksTtlMs(streamId),
    expireChunksIn: async (streamId, ttlMs) => cache.expireChunksIn(streamId, ttlMs),
    [Symbol.asyncDispose]: async () => {},
  };
}

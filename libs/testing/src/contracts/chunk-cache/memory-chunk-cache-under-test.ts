import { CACHE_ENDED_STREAMS, CACHE_PARTITIONS, type ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
import { MemoryChunkCache } from "@sluice/memory";

export async function memoryChunkCacheUnderTest(): Promise<ChunkCacheUnderTest> {
  const cache = new MemoryChunkCache({
    partitions: CACHE_PARTITIONS,
    maxEndedStreams: CACHE_ENDED_STREAMS,
  });
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
    recordTtlMs: async (streamId) => cache.recordTtlMs(streamId),
    expireChunksIn: async (streamId, ttlMs) => cache.expireChunksIn(streamId, ttlMs),
    [Symbol.asyncDispose]: async () => {},
  };
}

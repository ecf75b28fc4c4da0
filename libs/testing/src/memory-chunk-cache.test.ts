import { chunkCacheContract } from "./chunk-cache-contract.ts";
import { memoryChunkCacheUnderTest } from "./memory-chunk-cache-under-test.ts";

chunkCacheContract("MemoryChunkCache", memoryChunkCacheUnderTest);

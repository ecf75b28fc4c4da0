import { describeChunkCache } from "./chunk-cache-contract.ts";
import { memoryChunkCacheHarness } from "./memory-chunk-cache-harness.ts";

describeChunkCache("MemoryChunkCache", memoryChunkCacheHarness);

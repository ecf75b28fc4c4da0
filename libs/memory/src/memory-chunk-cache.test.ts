import { chunkCacheContract, memoryChunkCacheUnderTest } from "@sluice/testing";

chunkCacheContract("MemoryChunkCache", memoryChunkCacheUnderTest);

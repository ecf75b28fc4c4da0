import { MemoryChunkCache } from "./memory-chunk-cache.ts";
import { MemoryPartitionLeases } from "./memory-partition-leases.ts";
import { partitionLeasesContract } from "@sluice/testing";

partitionLeasesContract("MemoryPartitionLeases", async () => {
  let nowMs = 0;
  const cache = new MemoryChunkCache({ partitions: 3 });
  return {
    cache,
    leases: new MemoryPartitionLeases({ partitions: 3, cache, now: () => nowMs }),
    elapse: async (ms) => {
      nowMs += ms;
    },
    [Symbol.asyncDispose]: async () => {},
  };
});

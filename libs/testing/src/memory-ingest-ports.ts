import { MemoryCancelFeed } from "./memory-cancel-feed.ts";
import { MemoryChunkCache } from "./memory-chunk-cache.ts";
import { MemoryLiveBus, MemoryLiveFeed } from "./memory-live-feed.ts";
import { MemoryLog } from "./memory-log.ts";
import { MemoryPartitionLeases } from "./memory-partition-leases.ts";
import { MemoryPartitionLog } from "./memory-partition-log.ts";
import { MemoryPressureFeed } from "./memory-pressure-feed.ts";
import { MemoryReaderCensus } from "./memory-reader-census.ts";
import { MemoryReceiptFeed } from "./memory-receipt-feed.ts";
import { MemoryStreamLog } from "./memory-stream-log.ts";

const PARTITIONS = 1;

/** All that ingest replicas and producers of one system need, in memory. */
export function memoryIngestPorts() {
  const log = new MemoryLog({ partitions: PARTITIONS });
  const cache = new MemoryChunkCache({ partitions: PARTITIONS });
  const bus = new MemoryLiveBus();
  const cancelFeed = new MemoryCancelFeed();
  const openLeases = (): MemoryPartitionLeases =>
    new MemoryPartitionLeases({ partitions: PARTITIONS, cache });
  return {
    log,
    cache,
    bus,
    cancelFeed,
    partitionLog: new MemoryPartitionLog(log),
    streamLog: new MemoryStreamLog(log),
    leases: openLeases(),
    /** Whoever holds these doesn't know of whoever holds others. */
    openLeases,
    openFeed: () => new MemoryLiveFeed(bus),
    readerCensus: new MemoryReaderCensus(),
    pressureFeed: new MemoryPressureFeed(),
    receiptFeed: new MemoryReceiptFeed(),
    countOpen: () => log.openReaders + bus.openSubscriptions + cancelFeed.openSubscriptions,
  };
}

export type MemoryIngestPorts = ReturnType<typeof memoryIngestPorts>;

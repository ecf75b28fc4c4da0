import {
  MemoryCancelFeed,
  MemoryChunkCache,
  MemoryLiveBus,
  MemoryLiveFeed,
  MemoryLog,
  MemoryPartitionLeases,
  MemoryPartitionLog,
  MemoryPressureFeed,
  MemoryReaderPresence,
  MemoryReceiptFeed,
  MemoryStreamLog,
} from "@sluice/memory";

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
    /** Leases of one holder, who doesn't know of others. */
    openLeases,
    openFeed: () => new MemoryLiveFeed(bus),
    readerPresence: new MemoryReaderPresence(),
    pressureFeed: new MemoryPressureFeed(),
    receiptFeed: new MemoryReceiptFeed(),
    countOpen: () => log.openReaders + bus.openSubscriptions + cancelFeed.openSubscriptions,
  };
}

export type MemoryIngestPorts = ReturnType<typeof memoryIngestPorts>;

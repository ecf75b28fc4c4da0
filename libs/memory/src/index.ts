/** The ports in memory, without anything of a test runner: the launcher's embedded mode runs on them, too. */
export {
  MemoryChunkCache,
  type MemoryCacheSnapshot,
  type MemoryChunkCacheOptions,
} from "./memory-chunk-cache.ts";
export { MemoryClientQuotas } from "./memory-client-quotas.ts";
export { MemoryCancelFeed } from "./memory-cancel-feed.ts";
export { MemoryEdgePeers } from "./memory-edge-peers.ts";
export { MemoryLiveBus, MemoryLiveFeed } from "./memory-live-feed.ts";
export { MemoryLog, type MemoryLogOptions } from "./memory-log.ts";
export { MemoryPartitionLeases, type MemoryPartitionLeasesOptions } from "./memory-partition-leases.ts";
export { MemoryPartitionLog, type MemoryRejection } from "./memory-partition-log.ts";
export { MemoryPressureFeed } from "./memory-pressure-feed.ts";
export { MemoryPromptQueue } from "./memory-prompt-queue.ts";
export { MemoryRequestRecords } from "./memory-request-records.ts";
export { MemoryReaderPresence } from "./memory-reader-presence.ts";
export { MemoryRejectedElements } from "./memory-rejected-elements.ts";
export { MemoryServiceReports } from "./memory-service-reports.ts";
export { MemoryReceiptFeed } from "./memory-receipt-feed.ts";
export { MemoryStreamLog } from "./memory-stream-log.ts";

export {
  NATS_SERVER,
  REDIS_SERVER,
  ServerUnavailableError,
  findServerBinary,
  freePort,
  freePorts,
  isPortFree,
  startNats,
  startNatsCluster,
  startRedis,
} from "./servers/index.ts";
export type { NatsCluster, NatsOptions, RedisOptions, ServerHandle } from "./servers/index.ts";
export { cancelFeedContract, type CancelFeedUnderTest } from "./cancel-feed-contract.ts";
export { chunkCacheContract } from "./chunk-cache-contract.ts";
export { CACHE_ENDED_STREAMS, CACHE_PARTITIONS, type ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
export { runSchedule, schedules, type ScheduleStep } from "./chunk-cache-schedule.ts";
export { DescribedAnswers, type SeenAnswer } from "./described-answers.ts";
export { edgePeersContract, type EdgePeersUnderTest } from "./edge-peers-contract.ts";
export { bareMessage, logEntry, rejectedElement, textElement } from "./log-entry-samples.ts";
export { memoryChunkCacheUnderTest } from "./memory-chunk-cache-under-test.ts";
export {
  MemoryChunkCache,
  type MemoryCacheSnapshot,
  type MemoryChunkCacheOptions,
} from "./memory-chunk-cache.ts";
export { MemoryPartitionLeases, type MemoryPartitionLeasesOptions } from "./memory-partition-leases.ts";
export { partitionLeasesContract, type PartitionLeasesUnderTest } from "./partition-leases-contract.ts";
export { waitUntil } from "./servers/readiness.ts";
export { VerifyingReader, type ReaderOptions } from "./verifying-reader.ts";
export { startFaultProxy, type FaultProxy } from "./fault-proxy.ts";
export {
  chunkFrame,
  startHostileEdge,
  type HostileEdge,
  type HostileFrame,
  type Treatment,
} from "./hostile-edge.ts";
export {
  startHostileSharedEdge,
  type ChangeTreatment,
  type HostileSharedEdge,
  type SharedTreatment,
} from "./hostile-shared-edge.ts";
export { liveFeedContract, type LiveFeedUnderTest } from "./live-feed-contract.ts";
export { appendTexts, freshStreamId, outgoing, textPayload, type LogUnderTest } from "./log-under-test.ts";
export { MemoryCancelFeed } from "./memory-cancel-feed.ts";
export { MemoryEdgePeers } from "./memory-edge-peers.ts";
export { memoryEdgePorts, memoryWorld, type MemoryEdgePorts, type MemoryWorld } from "./memory-edge-ports.ts";
export { memoryGatewayPorts } from "./memory-gateway-ports.ts";
export { memoryIngestPorts, type MemoryIngestPorts } from "./memory-ingest-ports.ts";
export { MemoryLiveBus, MemoryLiveFeed } from "./memory-live-feed.ts";
export { MemoryLog, type MemoryLogOptions } from "./memory-log.ts";
export { MemoryPartitionLog, type MemoryRejection } from "./memory-partition-log.ts";
export { MemoryPressureFeed } from "./memory-pressure-feed.ts";
export { MemoryPromptDesk } from "./memory-prompt-desk.ts";
export { MemoryRequestRecords } from "./memory-request-records.ts";
export { MemoryReaderCensus } from "./memory-reader-census.ts";
export { MemoryRejectedElements } from "./memory-rejected-elements.ts";
export { MemoryServiceReports } from "./memory-service-reports.ts";
export { MemoryReceiptFeed } from "./memory-receipt-feed.ts";
export { MemoryStreamLog } from "./memory-stream-log.ts";
export { partitionLogContract } from "./partition-log-contract.ts";
export { pressureFeedContract, type PressureFeedUnderTest } from "./pressure-feed-contract.ts";
export { promptDeskContract, type PromptDeskUnderTest } from "./prompt-desk-contract.ts";
export { requestRecordsContract, type RequestRecordsUnderTest } from "./request-records-contract.ts";
export { readerCensusContract, type ReaderCensusUnderTest } from "./reader-census-contract.ts";
export { rejectedElementsContract, type RejectedElementsUnderTest } from "./rejected-elements-contract.ts";
export { serviceReportsContract, type ServiceReportsUnderTest } from "./service-reports-contract.ts";
export { receiptFeedContract, type ReceiptFeedUnderTest } from "./receipt-feed-contract.ts";
export { streamLogContract } from "./stream-log-contract.ts";

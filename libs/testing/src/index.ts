export { cancelFeedContract, type CancelFeedUnderTest } from "./contracts/cancel-feed-contract.ts";
export { chunkCacheContract } from "./contracts/chunk-cache/chunk-cache-contract.ts";
export {
  CACHE_ENDED_STREAMS,
  CACHE_PARTITIONS,
  type ChunkCacheUnderTest,
} from "./contracts/chunk-cache/chunk-cache-under-test.ts";
export { runSchedule, schedules, type ScheduleStep } from "./contracts/chunk-cache/chunk-cache-schedule.ts";
export { DescribedAnswers, type SeenAnswer } from "./services/described-answers.ts";
export { edgePeersContract, type EdgePeersUnderTest } from "./contracts/edge-peers-contract.ts";
export { bareMessage, logEntry, rejectedElement, textElement } from "./contracts/log-entry-samples.ts";
export { memoryChunkCacheUnderTest } from "./contracts/chunk-cache/memory-chunk-cache-under-test.ts";
export {
  partitionLeasesContract,
  type PartitionLeasesUnderTest,
} from "./contracts/partition-leases-contract.ts";
export { VerifyingReader, type ReaderOptions } from "./readers/verifying-reader.ts";
export { startFaultProxy, type FaultProxy } from "./faults/fault-proxy.ts";
export {
  chunkFrame,
  startHostileEdge,
  type HostileEdge,
  type HostileFrame,
  type Treatment,
} from "./faults/hostile-edge.ts";
export {
  startHostileSharedEdge,
  type ChangeTreatment,
  type HostileSharedEdge,
  type SharedTreatment,
} from "./faults/hostile-shared-edge.ts";
export { liveFeedContract, type LiveFeedUnderTest } from "./contracts/live-feed-contract.ts";
export {
  appendTexts,
  freshStreamId,
  outgoing,
  textPayload,
  type LogUnderTest,
} from "./contracts/log-under-test.ts";
export {
  memoryEdgePorts,
  memoryWorld,
  type MemoryEdgePorts,
  type MemoryWorld,
} from "./services/memory-edge-ports.ts";
export { memoryGatewayPorts } from "./services/memory-gateway-ports.ts";
export { memoryIngestPorts, type MemoryIngestPorts } from "./services/memory-ingest-ports.ts";
export { partitionLogContract } from "./contracts/partition-log-contract.ts";
export { pressureFeedContract, type PressureFeedUnderTest } from "./contracts/pressure-feed-contract.ts";
export { promptQueueContract, type PromptQueueUnderTest } from "./contracts/prompt-queue-contract.ts";
export { clientQuotasContract, type ClientQuotasUnderTest } from "./contracts/client-quotas-contract.ts";
export {
  requestRecordsContract,
  type RequestRecordsUnderTest,
} from "./contracts/request-records-contract.ts";
export {
  readerPresenceContract,
  type ReaderPresenceUnderTest,
} from "./contracts/reader-presence-contract.ts";
export {
  rejectedElementsContract,
  type RejectedElementsUnderTest,
} from "./contracts/rejected-elements-contract.ts";
export {
  serviceReportsContract,
  type ServiceReportsUnderTest,
} from "./contracts/service-reports-contract.ts";
export { receiptFeedContract, type ReceiptFeedUnderTest } from "./contracts/receipt-feed-contract.ts";
export { streamLogContract } from "./contracts/stream-log-contract.ts";
export { CHROMIUM } from "./servers/chromium-release.ts";
export { startNats, startNatsCluster, type NatsCluster, type NatsOptions } from "./servers/nats-server.ts";
export { startRedis, type RedisOptions } from "./servers/redis-server.ts";

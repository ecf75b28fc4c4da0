export { assertAppendBatch } from "./append-batch.ts";
export { type ClientQuotas, type QuotaAmount, type QuotaBounds } from "./client-quotas.ts";
export { type CancelAnswer, type CancelFeed, type CancelReason } from "./cancel-feed.ts";
export { backOffMs, type BackOffOptions } from "./back-off.ts";
export {
  CANCELLED_CODE,
  CHUNK_TYPES,
  endStatusOf,
  SERVICE_END_CODES,
  type Chunk,
  type ChunkDraft,
  type ChunkMetadata,
  type ChunkType,
  type EndStatus,
  type JsonValue,
  type ServiceEndCode,
  type StreamStatus,
} from "./chunk.ts";
export {
  type AppendBatch,
  type AppendOutcome,
  type AppliedEntry,
  type CachedChunk,
  type CancelRequest,
  type Checkpoint,
  type ChunkCache,
  type ListedStream,
  type LoggedStream,
  type PageBounds,
  type RecentQuery,
  type RecentStreams,
  type RestoredPage,
  type StartPoint,
  type StreamInfo,
  type StreamPage,
} from "./chunk-cache.ts";
export { addDivergence, positionOf, realign, type Divergence } from "./divergence.ts";
export {
  mergeConnectionPages,
  type ConnectionPage,
  type ConnectionQuery,
  type ConnectionRecord,
  type EdgePeers,
  type EdgePod,
  type StreamChange,
} from "./edge-peers.ts";
export { byCodeUnits } from "./id-order.ts";
export { JSON_PART, JsonJoiner, pieceEnd, splitJson, type JsonPart } from "./json-parts.ts";
export { type LiveFeed, type RebuildAnswer, type Subscription, type TailAnnouncement } from "./live-feed.ts";
export { type LogElement, type LogEntry, type StoredMessage } from "./log-entry.ts";
export { type PartitionLeases } from "./partition-leases.ts";
export {
  type ConsumeBounds,
  type LogFacts,
  type PartitionLog,
  type PartitionReader,
} from "./partition-log.ts";
export { type PartitionPressure, type PressureFeed } from "./pressure-feed.ts";
export { type Prompt, type PromptQueue } from "./prompt-queue.ts";
export { type Receipt, type ReceiptFeed, type ReceiptInbox } from "./receipt-feed.ts";
export { type ReaderPresence } from "./reader-presence.ts";
export { Mutex } from "./mutex.ts";
export { byNewest, mergeRecentStreams } from "./recent-streams.ts";
export { type RejectedElement, type RejectedElements } from "./rejected-elements.ts";
export {
  ReplayMerge,
  type HoldBounds,
  type LiveRange,
  type LiveVerdict,
  type Page,
  type PageVerdict,
  type Phase,
} from "./replay-merge.ts";
export { type RequestRecords } from "./request-records.ts";
export {
  isJump,
  jumpSequence,
  MAX_ELEMENTS_PER_MESSAGE,
  numberEntry,
  provesItsNumber,
  type Numbering,
  type StreamHead,
} from "./sequencing.ts";
export { type OwnedPartition, type ServiceReport, type ServiceReports } from "./service-reports.ts";
export { FULL_SHARE, shareOf, type CacheSpace, type StorageSpace } from "./storage-space.ts";
export { isStreamErrorCode, STREAM_ERROR_CODES, StreamError, type StreamErrorCode } from "./stream-error.ts";
export { assertStreamId, isStreamId, partitionOf } from "./stream-id.ts";
export { type LogAppendOutcome, type OutgoingMessage, type StreamLog } from "./stream-log.ts";
export { TokenBucket } from "./token-bucket.ts";
export { cutText, REPLACEMENT_CHARACTER, toWellFormedJson, WholeText } from "./whole-text.ts";

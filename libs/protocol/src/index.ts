export { chunkJsonHead, eventNameOf } from "./chunk-json.ts";
export {
  chunkDraftSchema,
  chunkMetadataSchema,
  chunkTypeSchema,
  MAX_CACHE_TTL_SECONDS,
  MAX_CHUNK_BYTES,
  parseChunkDraft,
  type ParsedChunkDraft,
} from "./chunk-schema.ts";
export { compactFrames } from "./compact-frames.ts";
export {
  appendCountsSchema,
  appendedSchema,
  batchCreatedSchema,
  batchCreationSchema,
  completionSchema,
  createdSchema,
  creationSchema,
  MAX_STREAMS_PER_BATCH,
  problemSchema,
  promptRequestSchema,
  proxyRequestSchema,
  sentChunkSchema,
  streamStatusSchema,
  uploadLineSchema,
} from "./http-bodies.ts";
export { faultOfJson, type JsonFault } from "./free-json.ts";
export { HTTP_HEADERS } from "./http-headers.ts";
export {
  connectionJson,
  connectionListSchema,
  listedStreamSchema,
  partitionListSchema,
  readerCountsSchema,
  rejectedListSchema,
  serviceListSchema,
  streamListSchema,
} from "./control-bodies.ts";
export {
  decodeHeartbeatMessage,
  decodeLiveMessage,
  encodeHeartbeatMessage,
  encodeLiveMessage,
} from "./live-message.ts";
export { decodeMessage, isIdleEnd, splitPayload, withoutHeartbeats } from "./message-decoder.ts";
export {
  connectionFrame,
  idFrame,
  streamNoticeFrame,
  withoutIds,
  type StreamNotice,
} from "./multi-frames.ts";
export {
  decodeMultiPosition,
  encodeMultiPosition,
  fitsEventId,
  MAX_STREAMS_PER_CONNECTION,
  type MultiPosition,
} from "./multi-position.ts";
export { openApiDocument, type OpenApiDocument } from "./openapi/document.ts";
export { CONTROL_OPERATIONS } from "./openapi/control-operations.ts";
export { EDGE_OPERATIONS } from "./openapi/edge-operations.ts";
export { GATEWAY_OPERATIONS } from "./openapi/gateway-operations.ts";
export { type Operation } from "./openapi/operation.ts";
export { PROBLEM_CONTENT_TYPE, problemOf, type Problem } from "./problem.ts";
export {
  checkpointKey,
  chunksKey,
  endedStreamsKey,
  leaseKey,
  MEMBERS_KEY,
  metaKey,
  openStreamsKey,
  quotaKey,
  requestKey,
} from "./redis-keys.ts";
export { decodeResumeToken, encodeResumeToken, parseSequence } from "./resume-token.ts";
export {
  cancelNoticeSchema,
  connectionPageSchema,
  connectionQuerySchema,
  headAnswerSchema,
  headRequestSchema,
  MAX_CENSUS_STREAMS,
  partitionPressureSchema,
  promptAnswerSchema,
  promptSchema,
  readersAnswerSchema,
  readersQuerySchema,
  rebuildAnswerSchema,
  rebuildRequestSchema,
  receiptSchema,
  stopAnswerSchema,
  stopRequestSchema,
  serviceReportSchema,
  streamChangeAnswerSchema,
  streamChangeSchema,
  tailAnnouncementSchema,
} from "./service-messages.ts";
export {
  cachedFrames,
  commentFrame,
  deletedFrame,
  elementFrames,
  gapFrame,
  heartbeatFrame,
  resetFrame,
  retryFrame,
  type GapReason,
} from "./sse-frames.ts";
export {
  abandonLimitMsOfOptions,
  cacheTtlOfOptions,
  keepAliveIntervalMsOfOptions,
  MAX_OPTIONS_BYTES,
  MIN_KEEP_ALIVE_MS,
  streamOptionsSchema,
  type StreamOptions,
} from "./stream-options.ts";
export {
  ALL_EDGES_SUBJECT,
  BEAT_SUBJECTS,
  beatSubject,
  cancelSubject,
  CHUNKS_STREAM,
  chunkSubject,
  chunkTransformTarget,
  DEFAULT_PARTITIONS,
  edgeSubject,
  HEADERS,
  headSubject,
  hereSubject,
  isReceiptSubject,
  liveSubject,
  partitionSubjects,
  PRESSURE_SUBJECTS,
  pressureSubject,
  PROMPT_SUBJECT,
  READERS_SUBJECT,
  rebuildSubject,
  REJECTED_STREAM,
  REJECTED_SUBJECTS,
  rejectedSubject,
  REPORTS_SUBJECT,
  stopSubject,
  STREAM_SUBJECTS,
  streamIdOfChunkSubject,
  streamSubject,
  TAIL_SUBJECTS,
  tailSubject,
  WORKER_QUEUE,
} from "./subjects.ts";

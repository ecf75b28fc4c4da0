/** What ingest can be told; config.ts reads it from the environment. */
export interface IngestSettings {
  maxChunkBytes: number;
  chunkTtlSeconds: number;
  /** An open stream without a message for so long is ended. */
  idleLimitMs: number;
  /** Shortest silence after which a beating producer counts as lost; three missed beats may make it longer. */
  producerTimeoutMs: number;
  /** How long a producer that was told to stop may take to end its stream. */
  cancelGraceMs: number;
  maxStreamChunks: number;
  maxStreamBytes: number;
  maxStreamAgeMs: number;
  leaseTtlMs: number;
  leaseRenewMs: number;
  maxConcurrentRebuilds: number;
  maxBatchMessages: number;
  maxPendingMessages: number;
  maxPendingBytes: number;
}

/** What ingest can be told; config.ts reads it from the environment. */
export interface IngestSettings {
  maxChunkBytes: number;
  chunkTtlSeconds: number;
  idleLimitMs: number;
  leaseTtlMs: number;
  leaseRenewMs: number;
  maxConcurrentRebuilds: number;
  maxBatchMessages: number;
  maxPendingMessages: number;
  maxPendingBytes: number;
}

import { MAX_CHUNK_BYTES, DEFAULT_PARTITIONS } from "@sluice/protocol";
import { settings } from "@sluice/runtime";
import { z } from "zod";
import type { IngestSettings } from "./settings.ts";

/** Everything that can be set, by the name of its environment variable. */
export const ingestConfigSchema = z
  .object({
    NATS_URL: settings.natsUrl,
    REDIS_URL: settings.redisUrl,
    LOG_LEVEL: settings.logLevel,
    ADMIN_HOST: settings.adminHost,
    ADMIN_PORT: settings.port(9091),
    /** Used when the log is created; an existing one must have the same. */
    PARTITIONS: settings.positive(DEFAULT_PARTITIONS),
    LOG_REPLICAS: settings.positive(1),
    LOG_MAX_AGE_SECONDS: settings.positive(24 * 3600),
    LOG_MAX_BYTES: settings.positive(8 * 1024 ** 3),
    MAX_CHUNK_BYTES: settings.positive(MAX_CHUNK_BYTES),
    CHUNK_TTL_SECONDS: settings.positive(300),
    META_TTL_SECONDS: settings.positive(7 * 24 * 3600),
    IDLE_LIMIT_SECONDS: settings.positive(3600),
    /** Three missed beats of a producer that beats slowly make it longer. */
    PRODUCER_TIMEOUT_MS: settings.positive(15_000),
    CANCEL_GRACE_MS: settings.positive(10_000),
    MAX_STREAM_CHUNKS: settings.positive(1_000_000),
    MAX_STREAM_BYTES: settings.positive(1024 ** 3),
    MAX_STREAM_AGE_SECONDS: settings.positive(12 * 3600),
    LEASE_TTL_MS: settings.positive(3_000),
    LEASE_RENEW_MS: settings.positive(1_000),
    MAX_CONCURRENT_REBUILDS: settings.positive(4),
    MAX_BATCH_MESSAGES: settings.positive(512),
    MAX_PENDING_MESSAGES: settings.positive(1_024),
    MAX_PENDING_BYTES: settings.positive(4 * 1024 * 1024),
  })
  .refine((config) => config.LEASE_RENEW_MS * 2 <= config.LEASE_TTL_MS, {
    path: ["LEASE_RENEW_MS"],
    error: "must be at most half of LEASE_TTL_MS, or one slow renewal loses the lease",
  })
  .refine((config) => config.CHUNK_TTL_SECONDS < config.LOG_MAX_AGE_SECONDS, {
    path: ["CHUNK_TTL_SECONDS"],
    error: "must be below LOG_MAX_AGE_SECONDS: the cache is filled from the log",
  })
  .refine((config) => config.IDLE_LIMIT_SECONDS < config.LOG_MAX_AGE_SECONDS, {
    path: ["IDLE_LIMIT_SECONDS"],
    error: "must be below LOG_MAX_AGE_SECONDS: it proves that a stream's first message has not aged out",
  });

export type IngestConfig = z.output<typeof ingestConfigSchema>;

export function settingsOf(config: IngestConfig): IngestSettings {
  return {
    maxChunkBytes: config.MAX_CHUNK_BYTES,
    chunkTtlSeconds: config.CHUNK_TTL_SECONDS,
    idleLimitMs: config.IDLE_LIMIT_SECONDS * 1000,
    producerTimeoutMs: config.PRODUCER_TIMEOUT_MS,
    cancelGraceMs: config.CANCEL_GRACE_MS,
    maxStreamChunks: config.MAX_STREAM_CHUNKS,
    maxStreamBytes: config.MAX_STREAM_BYTES,
    maxStreamAgeMs: config.MAX_STREAM_AGE_SECONDS * 1000,
    leaseTtlMs: config.LEASE_TTL_MS,
    leaseRenewMs: config.LEASE_RENEW_MS,
    maxConcurrentRebuilds: config.MAX_CONCURRENT_REBUILDS,
    maxBatchMessages: config.MAX_BATCH_MESSAGES,
    maxPendingMessages: config.MAX_PENDING_MESSAGES,
    maxPendingBytes: config.MAX_PENDING_BYTES,
  };
}

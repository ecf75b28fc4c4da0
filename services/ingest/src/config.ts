import { DEFAULT_PARTITIONS, MAX_CHUNK_BYTES } from "@sluice/protocol";
import { field, type Settings } from "@sluice/runtime";
import { z } from "zod";

/** Ingest's settings: the one place of their names, defaults and meanings. `.env.example` is printed from it. */
export const ingestConfigSchema = z
  .object({
    NATS_URL: field.natsUrl(),
    REDIS_URL: field.redisUrl(),
    LOG_LEVEL: field.logLevel(),
    ADMIN_HOST: field.adminHost(),
    ADMIN_PORT: field.adminPort(9091),
    PARTITIONS: field
      .count(DEFAULT_PARTITIONS)
      .describe(
        "Number of log partitions. Fixed when the log is created; ingest refuses to start with another number.",
      ),
    LOG_REPLICAS: field
      .count(1)
      .describe("Copies of the log, set when it is created: 3 on a cluster of three NATS servers."),
    LOG_MAX_AGE_SECONDS: field
      .seconds(24 * 3600)
      .describe("Time that the log keeps chunks, set when it is created."),
    LOG_MAX_BYTES: field
      .bytes(8 * 1024 ** 3)
      .describe(
        "Size of the log, set when it is created. A full log refuses new chunks. Must be below max_file_store of NATS.",
      ),
    MAX_CHUNK_BYTES: field
      .bytes(MAX_CHUNK_BYTES)
      .describe(
        "Larger chunks are replaced by placeholders. At most max_payload of NATS less 64 KiB, or ingest refuses to " +
          "start.",
      ),
    CHUNK_TTL_SECONDS: field
      .seconds(300)
      .describe("Time that a stream's chunks stay in Redis after its last one."),
    META_TTL_SECONDS: field
      .seconds(7 * 24 * 3600)
      .describe("Time that Redis remembers that a stream existed and how it ended."),
    UNWRITTEN_TTL_SECONDS: field
      .seconds(600)
      .describe(
        "The same for a stream to which nobody has written a chunk. The log brings it back when it is asked for or " +
          "written to.",
      ),
    IDLE_LIMIT_SECONDS: field
      .seconds(3600)
      .describe(
        "An open stream that gets no message for this long is ended (IDLE_TIMEOUT), even if its producer beats.",
      ),
    PRODUCER_TIMEOUT_MS: field
      .milliseconds(15_000)
      .describe(
        "A producer that beats and then is silent for this long counts as lost (PRODUCER_LOST). It is longer for a " +
          "producer whose three beats take longer.",
      ),
    CANCEL_GRACE_MS: field
      .milliseconds(10_000)
      .describe(
        "A cancelled stream that its producer has not ended after this long is ended for it (CANCELLED).",
      ),
    MAX_STREAM_CHUNKS: field.count(1_000_000).describe("A stream with more chunks is ended (STREAM_LIMIT)."),
    MAX_STREAM_BYTES: field
      .bytes(256 * 1024 ** 2)
      .describe(
        "A stream with more bytes of chunk JSON is ended (STREAM_LIMIT). At most half of Redis' maxmemory: ingest logs " +
          "an error at boot where it is more, since one stream could fill Redis for all.",
      ),
    MAX_STREAM_AGE_SECONDS: field
      .seconds(12 * 3600)
      .describe("A stream with more time between its first and last message is ended (STREAM_LIMIT)."),
    LEASE_TTL_MS: field
      .milliseconds(3_000)
      .describe("Time after which the partitions of a dead replica are taken over."),
    LEASE_RENEW_MS: field
      .milliseconds(1_000)
      .describe("Interval at which a replica renews its leases; at most half of LEASE_TTL_MS."),
    MAX_CONCURRENT_REBUILDS: field
      .count(4)
      .describe("Most streams that one replica brings back from the log at once."),
    MAX_BATCH_MESSAGES: field.count(512).describe("Most messages of one write to Redis."),
    MAX_PENDING_MESSAGES: field.count(1_024).describe("Most messages of one partition that wait in memory."),
    MAX_PENDING_BYTES: field
      .bytes(4 * 1024 * 1024)
      .describe("Most bytes of one partition that wait in memory."),
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

export type IngestSettings = Settings<typeof ingestConfigSchema>;

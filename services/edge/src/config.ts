import { field, httpSettings, type Settings } from "@sluice/runtime";
import { z } from "zod";

const MIB = 1024 * 1024;

/** The edge's settings: the one place of their names, defaults and meanings. `.env.example` is printed from it. */
export const edgeConfigSchema = z
  .object({
    ...httpSettings({ maxSockets: 25_000 }),
    PORT: field
      .port(8080)
      .describe("Port that readers connect to. Several edges on one machine may share it."),
    ADMIN_HOST: field.adminHost(),
    ADMIN_PORT: field.adminPort(9090),
    NATS_URL: field.natsUrl(),
    REDIS_URL: field.redisUrl(),
    LOG_LEVEL: field.logLevel(),
    BUFFER_SIZE: field
      .count(100)
      .describe(
        "Most chunks that wait for a reader whose socket is full. Past it the reader leaves the live feed and reads " +
          "on from the cache.",
      ),
    MAX_BUFFER_BYTES: field.bytes(256 * 1024).describe("Most bytes that wait for such a reader."),
    BACKPRESSURE_THRESHOLD: field
      .ratio(0.8)
      .describe("Share of the buffer above which a reader counts as slow in the metrics."),
    MAX_HELD_CHUNKS: field
      .count(2_000)
      .describe("Most chunks of the live feed that are held for a reader while it replays."),
    MAX_HELD_BYTES: field.bytes(2 * MIB).describe("Most bytes held for such a reader."),
    PAGE_CHUNKS: field
      .count(256)
      .describe(
        "Most chunks read from the cache at once. Pages and held chunks bound the memory of a replay of any length.",
      ),
    PAGE_BYTES: field.bytes(256 * 1024).describe("Most bytes read from the cache at once."),
    READ_BUDGET_BYTES: field
      .bytes(4 * MIB)
      .describe(
        "Most bytes of the cache that are being read at once for all readers; further reads wait for their turn. " +
          "Redis does one thing at a time: what is in flight is what everything else waits behind.",
      ),
    READ_BUDGET_BYTES_PER_ADDRESS: field
      .bytes(MIB)
      .describe("The same for the readers of one client address, who take turns with those of others."),
    READ_BUDGET_BYTES_PER_STREAM: field.bytes(MIB).describe("The same for one stream."),
    READ_TIMEOUT_MS: field
      .milliseconds(1_500)
      .describe("Longest wait for the cache to answer a read; the client is then asked to retry."),
    READ_STALL_MS: field
      .milliseconds(5_000)
      .describe("The pod is not ready when reads are wanted and none has succeeded for this long."),
    READ_STUCK_MS: field
      .milliseconds(30_000)
      .describe(
        "After this long without a successful read, the pod is not live either, if and only if Redis answers reads " +
          "over new connections: a restart then helps.",
      ),
    KEEP_ALIVE_INTERVAL_MS: field
      .milliseconds(30_000)
      .describe(
        "A comment is sent after this long without another byte, so that proxies keep the connection. Proxies in " +
          "front must allow at least twice as much silence. A stream may ask for less (heartbeat_interval_ms).",
      )
      .meta({ oldName: "HEARTBEAT_INTERVAL_MS" }),
    STALL_TIMEOUT_MS: field
      .milliseconds(60_000)
      .describe("A reader that takes no byte for this long is disconnected. It can resume."),
    DRAIN_NOTICE_MS: field
      .milliseconds(3_000, { min: 0 })
      .describe(
        "Time from SIGTERM to the first closed connection, in which load balancers notice the drain.",
      ),
    DRAIN_TIMEOUT_MS: field
      .milliseconds(10_000, { min: 0 })
      .describe("The connections are then closed evenly over this time."),
    BARRIER_TIMEOUT_MS: field
      .milliseconds(100)
      .describe("Longest wait for ingest to confirm that a new subscription receives everything."),
    RECHECK_DELAY_MS: field
      .milliseconds(250)
      .describe("Without that confirmation, the stream's head is checked once more after this long."),
    TAIL_GRACE_MS: field
      .milliseconds(200)
      .describe("A live chunk counts as lost if it is missing this long after its head was announced."),
    HEAD_CHECK_INTERVAL_MS: field
      .milliseconds(60_000)
      .describe("Each followed stream is compared with the cache once in this time."),
    FEED_LINGER_MS: field
      .milliseconds(5_000, { min: 0 })
      .describe(
        "A stream that lost its last reader stays subscribed this long, so that a reconnect finds it warm.",
      ),
    REBUILD_TIMEOUT_MS: field
      .milliseconds(2_000)
      .describe("Longest wait for ingest to bring a stream back from the log."),
    REPLAY_RETRY_TIMEOUT_MS: field
      .milliseconds(15_000, { min: 0 })
      .describe(
        "Longest time that a read is retried while a reader's next chunk is unavailable. The reader is then " +
          "disconnected and can resume.",
      )
      .meta({ oldName: "PATIENCE_MS" }),
    UNKNOWN_TTL_MS: field
      .milliseconds(1_000, { min: 0 })
      .describe(
        "A stream that nobody knew is not looked up again for this long. A new stream may be found that much later.",
      ),
    MAX_WAIT_MS: field.milliseconds(30_000, { min: 0 }).describe("Most that a request may ask for by wait=."),
    RETRY_MS: field
      .milliseconds(2_000)
      .describe(
        "Mean reconnect delay sent to readers; each gets its own, from half to one and a half of it.",
      ),
    MAX_CONNECTION_AGE_MS: field
      .milliseconds(3_600_000, { min: 0 })
      .describe(
        "A connection older than this (each by up to a fifth more or less) is ended and its reader reconnects, so " +
          "that load evens out after pods were added and frozen clients on quiet streams are let go. 0: no limit.",
      ),
    PEER_TIMEOUT_MS: field
      .milliseconds(5_000)
      .describe("Longest wait for other edges to answer about their connections."),
    MAX_CONNECTIONS: field.count(20_000).describe("Most open connections; more are refused and retry."),
    MAX_CONNECTIONS_PER_ADDRESS: field
      .count(10_000)
      .describe("Most of them from one address (IPv6: one /64); more are refused and retry."),
    MAX_STREAMS: field
      .count(20_000)
      .describe("Most different streams followed at once; each is one NATS subscription."),
    MAX_WAITING: field
      .count(1_000)
      .describe(
        "Most requests, long polls too, that wait for streams that nobody knows yet; more are refused.",
      ),
    MAX_WAITING_PER_ADDRESS: field
      .count(200)
      .describe("Most of them from one address (IPv6: one /64); more are refused with TOO_MANY_REQUESTS."),
    CONNECTS_PER_SECOND: field
      .perSecond(0)
      .describe(
        "Connections that one address may open a second; an unknown id counts as another one. 0: no limit.",
      ),
    CONNECT_BURST: field.count(100).describe("Connections that one address may open at once."),
    SOFT_RSS_BYTES: field
      .bytes(1_024 * MIB)
      .describe(
        "Memory above which new connections are refused and the pod is not ready: of the process, or of its container " +
          "(cgroup) where that is more, since socket buffers count there.",
      ),
    HARD_RSS_BYTES: field
      .bytes(1_536 * MIB)
      .describe("The same memory, above which the slowest readers are disconnected. They can resume."),
    MAX_LOOP_DELAY_MS: field
      .milliseconds(500)
      .describe("Event loop delay (mean of a second) above which new connections are refused."),
  })
  .refine((config) => config.SOFT_RSS_BYTES < config.HARD_RSS_BYTES, {
    path: ["SOFT_RSS_BYTES"],
    error: "must be below HARD_RSS_BYTES: readers are refused before any is disconnected",
  })
  .refine((config) => config.PAGE_BYTES <= config.MAX_HELD_BYTES, {
    path: ["PAGE_BYTES"],
    error: "must be at most MAX_HELD_BYTES: chunks that arrive while a page is sent must fit",
  })
  .refine(
    (config) =>
      Math.max(config.READ_BUDGET_BYTES_PER_ADDRESS, config.READ_BUDGET_BYTES_PER_STREAM) <=
      config.READ_BUDGET_BYTES,
    {
      path: ["READ_BUDGET_BYTES"],
      error: "must be at least the budgets of one address and of one stream",
    },
  )
  .refine((config) => config.READ_STALL_MS > config.READ_TIMEOUT_MS, {
    path: ["READ_STALL_MS"],
    error: "must be above READ_TIMEOUT_MS: one late read is no stall",
  })
  .refine((config) => config.TAIL_GRACE_MS < config.HEAD_CHECK_INTERVAL_MS, {
    path: ["TAIL_GRACE_MS"],
    error: "must be below HEAD_CHECK_INTERVAL_MS: an announcement must find a lost chunk sooner than a check",
  });

export type EdgeSettings = Settings<typeof edgeConfigSchema>;

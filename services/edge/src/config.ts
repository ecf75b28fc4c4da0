import { settings } from "@sluice/runtime";
import { z } from "zod";
import { DEFAULT_EDGE_SETTINGS, type EdgeSettings } from "./settings.ts";

const defaults = DEFAULT_EDGE_SETTINGS;

/** Everything that can be set, by the name of its environment variable. */
export const edgeConfigSchema = z
  .object({
    HOST: z.string().default("0.0.0.0"),
    PORT: settings.port(8080),
    ADMIN_HOST: settings.adminHost,
    ADMIN_PORT: settings.port(9090),
    NATS_URL: settings.natsUrl,
    REDIS_URL: settings.redisUrl,
    LOG_LEVEL: settings.logLevel,
    BUFFER_SIZE: settings.positive(defaults.bufferSize),
    MAX_BUFFER_BYTES: settings.positive(defaults.maxBufferBytes),
    BACKPRESSURE_THRESHOLD: settings.ratio(defaults.backpressureThreshold),
    MAX_HELD_CHUNKS: settings.positive(defaults.maxHeldChunks),
    MAX_HELD_BYTES: settings.positive(defaults.maxHeldBytes),
    PAGE_CHUNKS: settings.positive(defaults.pageChunks),
    PAGE_BYTES: settings.positive(defaults.pageBytes),
    KEEP_ALIVE_INTERVAL_MS: settings.positive(defaults.keepAliveIntervalMs),
    STALL_TIMEOUT_MS: settings.positive(defaults.stallTimeoutMs),
    DRAIN_NOTICE_MS: settings.milliseconds(defaults.drainNoticeMs),
    DRAIN_TIMEOUT_MS: settings.milliseconds(defaults.drainTimeoutMs),
    BARRIER_TIMEOUT_MS: settings.positive(defaults.barrierTimeoutMs),
    RECHECK_DELAY_MS: settings.positive(defaults.recheckDelayMs),
    TAIL_GRACE_MS: settings.positive(defaults.tailGraceMs),
    HEAD_CHECK_INTERVAL_MS: settings.positive(defaults.headCheckIntervalMs),
    FEED_LINGER_MS: settings.milliseconds(defaults.feedLingerMs),
    REBUILD_TIMEOUT_MS: settings.positive(defaults.rebuildTimeoutMs),
    REPLAY_RETRY_TIMEOUT_MS: settings.milliseconds(defaults.replayRetryTimeoutMs),
    UNKNOWN_TTL_MS: settings.milliseconds(defaults.unknownTtlMs),
    MAX_WAIT_MS: settings.milliseconds(defaults.maxWaitMs),
    RETRY_MS: settings.positive(defaults.retryMs),
    MAX_CONNECTION_AGE_MS: settings.milliseconds(defaults.maxConnectionAgeMs),
    PEER_TIMEOUT_MS: settings.positive(defaults.peerTimeoutMs),
    ALLOWED_HOSTS: z.string().default(defaults.allowedHosts),
    CORS_ORIGINS: z.string().default(defaults.corsOrigins),
    CORS_HEADERS: z.string().default(defaults.corsHeaders),
    TRUSTED_PROXIES: z.coerce.number().int().nonnegative().default(defaults.trustedProxies),
    MAX_SOCKETS: settings.positive(defaults.maxSockets),
    MAX_SOCKETS_PER_ADDRESS: settings.milliseconds(defaults.maxSocketsPerAddress),
    HEADERS_TIMEOUT_MS: settings.positive(defaults.headersTimeoutMs),
    SOCKET_IDLE_TIMEOUT_MS: settings.positive(defaults.socketIdleTimeoutMs),
    MAX_CONNECTIONS: settings.positive(defaults.maxConnections),
    MAX_STREAMS: settings.positive(defaults.maxStreams),
    MAX_WAITING: settings.positive(defaults.maxWaiting),
    CONNECTS_PER_SECOND: z.coerce.number().nonnegative().default(defaults.connectsPerSecond),
    CONNECT_BURST: settings.positive(defaults.connectBurst),
    SOFT_RSS_BYTES: settings.positive(defaults.softRssBytes),
    HARD_RSS_BYTES: settings.positive(defaults.hardRssBytes),
    MAX_LOOP_DELAY_MS: settings.positive(defaults.maxLoopDelayMs),
  })
  .refine((config) => config.SOFT_RSS_BYTES < config.HARD_RSS_BYTES, {
    path: ["SOFT_RSS_BYTES"],
    error: "must be below HARD_RSS_BYTES: readers are refused before any is disconnected",
  })
  .refine((config) => config.PAGE_BYTES <= config.MAX_HELD_BYTES, {
    path: ["PAGE_BYTES"],
    error: "must be at most MAX_HELD_BYTES: what arrives while a page is sent must find room",
  })
  .refine((config) => config.TAIL_GRACE_MS < config.HEAD_CHECK_INTERVAL_MS, {
    path: ["TAIL_GRACE_MS"],
    error: "must be below HEAD_CHECK_INTERVAL_MS: announcements are there to be faster than checks",
  });

export type EdgeConfig = z.output<typeof edgeConfigSchema>;

export function edgeSettingsOf(config: EdgeConfig): EdgeSettings {
  return {
    bufferSize: config.BUFFER_SIZE,
    maxBufferBytes: config.MAX_BUFFER_BYTES,
    backpressureThreshold: config.BACKPRESSURE_THRESHOLD,
    maxHeldChunks: config.MAX_HELD_CHUNKS,
    maxHeldBytes: config.MAX_HELD_BYTES,
    pageChunks: config.PAGE_CHUNKS,
    pageBytes: config.PAGE_BYTES,
    keepAliveIntervalMs: config.KEEP_ALIVE_INTERVAL_MS,
    stallTimeoutMs: config.STALL_TIMEOUT_MS,
    drainNoticeMs: config.DRAIN_NOTICE_MS,
    drainTimeoutMs: config.DRAIN_TIMEOUT_MS,
    barrierTimeoutMs: config.BARRIER_TIMEOUT_MS,
    recheckDelayMs: config.RECHECK_DELAY_MS,
    tailGraceMs: config.TAIL_GRACE_MS,
    headCheckIntervalMs: config.HEAD_CHECK_INTERVAL_MS,
    feedLingerMs: config.FEED_LINGER_MS,
    rebuildTimeoutMs: config.REBUILD_TIMEOUT_MS,
    replayRetryTimeoutMs: config.REPLAY_RETRY_TIMEOUT_MS,
    unknownTtlMs: config.UNKNOWN_TTL_MS,
    maxWaitMs: config.MAX_WAIT_MS,
    retryMs: config.RETRY_MS,
    maxConnectionAgeMs: config.MAX_CONNECTION_AGE_MS,
    peerTimeoutMs: config.PEER_TIMEOUT_MS,
    allowedHosts: config.ALLOWED_HOSTS,
    corsOrigins: config.CORS_ORIGINS,
    corsHeaders: config.CORS_HEADERS,
    trustedProxies: config.TRUSTED_PROXIES,
    maxSockets: config.MAX_SOCKETS,
    maxSocketsPerAddress: config.MAX_SOCKETS_PER_ADDRESS,
    headersTimeoutMs: config.HEADERS_TIMEOUT_MS,
    socketIdleTimeoutMs: config.SOCKET_IDLE_TIMEOUT_MS,
    maxConnections: config.MAX_CONNECTIONS,
    maxStreams: config.MAX_STREAMS,
    maxWaiting: config.MAX_WAITING,
    connectsPerSecond: config.CONNECTS_PER_SECOND,
    connectBurst: config.CONNECT_BURST,
    softRssBytes: config.SOFT_RSS_BYTES,
    hardRssBytes: config.HARD_RSS_BYTES,
    maxLoopDelayMs: config.MAX_LOOP_DELAY_MS,
  };
}

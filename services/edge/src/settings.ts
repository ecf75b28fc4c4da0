import type { HttpLimits } from "@sluice/runtime";

/** What an edge pod can be told. Times in ms. */
export interface EdgeSettings {
  /** Most chunks that wait for a reader whose socket is full. One more, and it is read on from the cache later. */
  bufferSize: number;
  /** The same in bytes. */
  maxBufferBytes: number;
  /** Share of the buffer from which a reader counts as slow. */
  backpressureThreshold: number;
  /** Most that one subscriber holds of the live feed while it replays. */
  maxHeldChunks: number;
  maxHeldBytes: number;
  /** Size of one page of the cache. With the two above it bounds what a replay of any length costs. */
  pageChunks: number;
  pageBytes: number;
  /** A comment is sent after at most this long without anything else: proxies cut silent connections. */
  keepAliveIntervalMs: number;
  /** A reader that takes no byte for this long is disconnected. It can resume. */
  stallTimeoutMs: number;
  /** Between readiness off and the first closed connection: load balancers have to notice. */
  drainNoticeMs: number;
  /** The connections of a draining pod are closed evenly over this time. */
  drainTimeoutMs: number;
  /** How long the partition's owner has to confirm that it knows of a new subscription. */
  barrierTimeoutMs: number;
  /** Without that confirmation the stream's head is looked at once more after this. */
  recheckDelayMs: number;
  /** How long a live message may be on its way after its head was announced, before it counts as lost. */
  tailGraceMs: number;
  /** Each followed stream's head is looked at once in this time, whatever else happens. */
  headCheckIntervalMs: number;
  /** How long a stream without readers stays subscribed: a reconnect then finds it warm. */
  feedLingerMs: number;
  /** How long ingest has to answer one request to bring a stream back. */
  rebuildTimeoutMs: number;
  /** How long a reader is kept while the next chunk can't be had, before it is disconnected. It can resume. */
  replayRetryTimeoutMs: number;
  /** How long an unknown stream stays unknown without asking again. Also how late a new one may be found. */
  unknownTtlMs: number;
  /** Most that `wait=` may ask for. */
  maxWaitMs: number;
  /** Middle of the reconnect delay that clients are told; each is told another, from half to one and a half. */
  retryMs: number;
  /**
   * A connection older than this (each by up to a fifth more or less) is ended, and its reader comes again: so load evens
   * out after pods were added, and a client that froze on a quiet stream is held no longer. 0: none is.
   */
  maxConnectionAgeMs: number;
  /** How long another pod, or all of them, may take to answer about their connections. */
  peerTimeoutMs: number;
  /** Hosts that requests may name, separated by commas; empty: addresses, and the names of this machine. */
  allowedHosts: string;
  /** Origins whose pages may read and write, separated by commas; `*` among them: all others may read. */
  corsOrigins: string;
  /** More headers that those pages may send, separated by commas. */
  corsHeaders: string;
  /** Reverse proxies in front whose X-Forwarded-For is believed. */
  trustedProxies: number;
  /** Most sockets, whatever they are at; above `maxConnections`, so that whoever is refused can be told. */
  maxSockets: number;
  /** The same for one address that no proxy stands before; 0: no limit. */
  maxSocketsPerAddress: number;
  /** How long the line and the headers of a request may take. */
  headersTimeoutMs: number;
  /** How long a socket stays open between two requests; above the idle time of the balancer in front. */
  socketIdleTimeoutMs: number;
  maxConnections: number;
  /** Most streams followed at once; each is a NATS subscription. */
  maxStreams: number;
  /** Most readers, long polls too, that wait for streams that nobody knows yet. One more is refused. */
  maxWaiting: number;
  /**
   * Connections that one address may open: a second, and at once. 0: no limit. An id that nobody knows counts as another
   * one.
   */
  connectsPerSecond: number;
  connectBurst: number;
  /** Above: no new connections, not ready. */
  softRssBytes: number;
  /** Above: the slowest readers are disconnected. They can resume. */
  hardRssBytes: number;
  /** Event loop delay (mean of a second) above which no new connections are taken. */
  maxLoopDelayMs: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_EDGE_SETTINGS: Readonly<EdgeSettings> = Object.freeze({
  bufferSize: 100,
  maxBufferBytes: 256 * 1024,
  backpressureThreshold: 0.8,
  maxHeldChunks: 2_000,
  maxHeldBytes: 2 * MIB,
  pageChunks: 256,
  pageBytes: 256 * 1024,
  keepAliveIntervalMs: 30_000,
  stallTimeoutMs: 60_000,
  drainNoticeMs: 3_000,
  drainTimeoutMs: 10_000,
  barrierTimeoutMs: 100,
  recheckDelayMs: 250,
  tailGraceMs: 200,
  headCheckIntervalMs: 60_000,
  feedLingerMs: 5_000,
  rebuildTimeoutMs: 2_000,
  replayRetryTimeoutMs: 15_000,
  unknownTtlMs: 1_000,
  maxWaitMs: 30_000,
  retryMs: 2_000,
  maxConnectionAgeMs: 3_600_000,
  peerTimeoutMs: 5_000,
  allowedHosts: "",
  corsOrigins: "*",
  corsHeaders: "",
  trustedProxies: 0,
  maxSockets: 25_000,
  maxSocketsPerAddress: 12_500,
  headersTimeoutMs: 10_000,
  socketIdleTimeoutMs: 75_000,
  maxConnections: 20_000,
  maxStreams: 20_000,
  maxWaiting: 1_000,
  connectsPerSecond: 0,
  connectBurst: 100,
  softRssBytes: 1_024 * MIB,
  hardRssBytes: 1_536 * MIB,
  maxLoopDelayMs: 500,
});

// A poll is answered at the end of its wait, and some time later where a rebuild comes on top.
const POLL_GRACE_MS = 30_000;

/** Bounds of the server for readers. Behind proxies the address of a socket is theirs, so it tells nothing of its client. */
export function httpLimitsOf(settings: EdgeSettings): HttpLimits {
  return {
    maxSockets: settings.maxSockets,
    maxSocketsPerAddress: settings.trustedProxies > 0 ? 0 : settings.maxSocketsPerAddress,
    headersTimeoutMs: settings.headersTimeoutMs,
    idleTimeoutMs: settings.socketIdleTimeoutMs,
    stallTimeoutMs: Math.max(settings.stallTimeoutMs, settings.maxWaitMs + POLL_GRACE_MS),
  };
}

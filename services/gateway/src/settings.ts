import type { HttpLimits } from "@sluice/runtime";

/** Bounds of a gateway. */
export interface GatewaySettings {
  /** How long a message to the log is tried, ms. */
  logTimeoutMs: number;
  /** How long a worker may take to accept a prompt, ms. */
  promptTimeoutMs: number;
  /** How long ingest may take to bring a stream back, ms. */
  rebuildTimeoutMs: number;
  /** An upload that sends nothing for so long is cut, ms. */
  uploadIdleTimeoutMs: number;
  /** Appends that may be open at once; more are refused with OVERLOADED. */
  maxUploads: number;
  /** Answers of model servers that may be on their way at once; more are refused with OVERLOADED. */
  maxProxiedAnswers: number;
  /** How long those may go on once the gateway closes, ms. */
  proxyDrainTimeoutMs: number;
  /** Hosts that requests may name, separated by commas; empty: addresses, and the names of this machine. */
  allowedHosts: string;
  /** Origins whose pages may read and write, separated by commas; `*` among them: all others may read. */
  corsOrigins: string;
  /** More headers that those pages may send, separated by commas. */
  corsHeaders: string;
  /** Reverse proxies in front whose X-Forwarded-For is believed. */
  trustedProxies: number;
  /** Most sockets, whatever they are at. */
  maxSockets: number;
  /** The same for one address that no proxy stands before; 0: no limit. */
  maxSocketsPerAddress: number;
  /** How long the line and the headers of a request may take, ms. */
  headersTimeoutMs: number;
  /** How long a socket stays open between two requests, ms; above the idle time of the balancer in front. */
  socketIdleTimeoutMs: number;
}

// Requests wait for the log, for ingest and for workers, each for some seconds; uploads have a time limit of their own.
const STALL_TIMEOUT_MS = 60_000;

/** Bounds of the server. Behind proxies the address of a socket is theirs, so it tells nothing of its client. */
export function httpLimitsOf(settings: GatewaySettings): HttpLimits {
  return {
    maxSockets: settings.maxSockets,
    maxSocketsPerAddress: settings.trustedProxies > 0 ? 0 : settings.maxSocketsPerAddress,
    headersTimeoutMs: settings.headersTimeoutMs,
    idleTimeoutMs: settings.socketIdleTimeoutMs,
    stallTimeoutMs: STALL_TIMEOUT_MS,
  };
}

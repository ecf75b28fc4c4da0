/** Bounds of an HTTP server. Times in ms. */
export interface HttpLimits {
  /** Most sockets that are open at once; one more is answered with 503 and closed. */
  maxSockets: number;
  /** Most of them from one client (IPv6: a network of 64 bits), answered with 429; 0: no limit. */
  maxSocketsPerAddress: number;
  /** How long a request's line and headers may take, from the connection or from its first byte. */
  headersTimeoutMs: number;
  /** How long a socket stays open between two requests. Must be above the idle time of any balancer in front. */
  idleTimeoutMs: number;
  /** How long a request may go on without a byte in either direction. Must be above the longest wait for an answer. */
  stallTimeoutMs: number;
}

export const DEFAULT_HTTP_LIMITS: Readonly<HttpLimits> = Object.freeze({
  maxSockets: 25_000,
  maxSocketsPerAddress: 0,
  headersTimeoutMs: 10_000,
  idleTimeoutMs: 75_000,
  stallTimeoutMs: 60_000,
});

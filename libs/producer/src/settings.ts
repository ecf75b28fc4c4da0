/** Bounds of a handle. All have defaults that suit a worker that streams an LLM's answer. */
export interface ProducerSettings {
  /** Chunks that may wait while a publish is in flight. */
  bufferSize: number;
  /** The same in bytes of JSON. */
  bufferBytes: number;
  /** From this share of the buffer on, sends wait to be let in. What is left is room for a `sendAll`. */
  backpressureThreshold: number;
  /** How long a send waits to be let in before it fails with BACKPRESSURE_EXCEEDED, ms. */
  backpressureTimeoutMs: number;
  /** What a stream may send; beyond it chunks wait in the buffer, and then sends to be let in. */
  maxChunksPerSecond: number;
  /** Of JSON. */
  maxBytesPerSecond: number;
  /** What all streams of a manager may send together: they take turns. */
  maxTotalChunksPerSecond: number;
  maxTotalBytesPerSecond: number;
  /** How long a message is tried before its chunks fail with LOG_UNAVAILABLE, ms. Infinity: as long as it takes. */
  publishTimeoutMs: number;
  /** How long a stored chunk's number is waited for before a `confirm: "sequenced"` fails with UNCONFIRMED, ms. */
  confirmTimeoutMs: number;
  /** Pause before the first repeat, ms; doubles with each further one. */
  retryDelayMs: number;
  maxRetryDelayMs: number;
  /**
   * How often an exclusive handle says that it lives, ms. Its messages carry the number: ingest ends the stream as
   * PRODUCER_LOST when it hears nothing for three times that.
   */
  beatIntervalMs: number;
}

export const DEFAULT_SETTINGS: Readonly<ProducerSettings> = {
  bufferSize: 100,
  bufferBytes: 4 * 1024 * 1024,
  backpressureThreshold: 0.8,
  backpressureTimeoutMs: 10_000,
  maxChunksPerSecond: Infinity,
  maxBytesPerSecond: Infinity,
  maxTotalChunksPerSecond: Infinity,
  maxTotalBytesPerSecond: Infinity,
  publishTimeoutMs: 30_000,
  confirmTimeoutMs: 10_000,
  retryDelayMs: 25,
  maxRetryDelayMs: 1_000,
  beatIntervalMs: 5_000,
};

// Without this bound a loop that never awaits its sends fills the heap while the log is away.
export const MAX_WAITING_SENDS = 10_000;

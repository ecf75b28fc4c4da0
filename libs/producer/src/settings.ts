/**
 * Bounds of a handle. The defaults suit a worker that streams an LLM's answer.
 * @example
 * ```ts
 * import { connectProducer } from "@sluice/producer";
 *
 * const settings = { maxChunksPerSecond: 50, maxTotalBytesPerSecond: 5_000_000 };
 * await using manager = await connectProducer({ servers: "nats://127.0.0.1:4222", settings });
 * console.log(manager);
 * ```
 */
export interface ProducerSettings {
  /**
   * Number of chunks that may wait while a publish is in flight.
   * @defaultValue `100`
   */
  bufferSize: number;
  /**
   * Bytes of JSON that may wait while a publish is in flight.
   * @defaultValue `4_194_304`, 4 MiB
   */
  bufferBytes: number;
  /**
   * Share of the buffer, 0 to 1, from which on sends wait to be let in. The rest is room for a `sendAll`.
   * @defaultValue `0.8`
   */
  backpressureThreshold: number;
  /**
   * Time that a send waits to be let in before it fails with BACKPRESSURE_EXCEEDED, ms.
   * @defaultValue `10_000`
   */
  backpressureTimeoutMs: number;
  /**
   * Rate of one stream, chunks a second. Beyond it chunks wait in the buffer, and then sends wait to be let in.
   * @defaultValue `Infinity`
   */
  maxChunksPerSecond: number;
  /**
   * Rate of one stream, bytes of JSON a second.
   * @defaultValue `Infinity`
   */
  maxBytesPerSecond: number;
  /**
   * Rate of all streams of a manager together, chunks a second. The streams take turns.
   * @defaultValue `Infinity`
   */
  maxTotalChunksPerSecond: number;
  /**
   * Rate of all streams of a manager together, bytes of JSON a second.
   * @defaultValue `Infinity`
   */
  maxTotalBytesPerSecond: number;
  /**
   * Time that a message is tried before its chunks fail with LOG_UNAVAILABLE, ms. Infinity: as long as it takes.
   * @defaultValue `30_000`
   */
  publishTimeoutMs: number;
  /**
   * Time that a `confirm: "sequenced"` waits for the number of a stored chunk before it fails with UNCONFIRMED, ms.
   * @defaultValue `10_000`
   */
  confirmTimeoutMs: number;
  /**
   * Pause before the first repeat of a message, ms. It doubles with each further one.
   * @defaultValue `25`
   */
  retryDelayMs: number;
  /**
   * Longest pause between repeats of a message, ms.
   * @defaultValue `1_000`
   */
  maxRetryDelayMs: number;
  /**
   * Interval of an exclusive handle's beats, ms. Its messages carry the number: ingest ends the stream as PRODUCER_LOST when it
   * hears nothing for three intervals, at least 15 s.
   * @defaultValue `5_000`
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

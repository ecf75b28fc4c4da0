/** Position at which reading begins. At most one of the three; without any, at the beginning of the stream. */
export interface StartOptions {
  /** First sequence wanted, an integer from 1. */
  from?: number;
  /** Number of the newest chunks to begin with, an integer from 0; 0 gives only chunks that are published from now on. */
  tail?: number;
  /** Resume token that an edge gave for this stream (`Sluice-Resume-Token`); reading goes on after its position. */
  resumeToken?: string;
}

/** Options that become part of a request to the edge. */
export interface RequestOptions extends StartOptions {
  /**
   * Whether replayed text arrives in fewer, larger chunks, each with `first_sequence`.
   * @default false
   */
  compact?: boolean;
  /**
   * Seconds to wait for a stream that doesn't exist yet, from 1 to 30. Without it, such a stream fails at once with
   * STREAM_NOT_FOUND.
   * @default undefined
   */
  wait?: number;
}

/**
 * Options of one stream, as `client.stream` takes them.
 *
 * @example
 * ```ts
 * import type { StreamOptions } from "@sluice/client";
 *
 * export const lastTwenty: StreamOptions = { tail: 20, wait: 10, signal: AbortSignal.timeout(60_000) };
 * ```
 */
export interface StreamOptions extends RequestOptions {
  /** Closes the stream when it is aborted. The stream's producer isn't asked to stop. */
  signal?: AbortSignal;
}

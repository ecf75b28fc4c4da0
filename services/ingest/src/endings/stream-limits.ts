import type { AppliedEntry } from "@sluice/core";

/** Limits of a stream; one that goes past them is ended. */
export interface StreamLimits {
  maxChunks: number;
  /** Most bytes of chunk JSON. */
  maxBytes: number;
  /** Most time from the first message to the last one, by the log's clock. */
  maxAgeMs: number;
}

/** Names the limit that a stream has gone past with a message, in a sentence for its readers; null while it hasn't. */
export function exceededLimit(
  stream: Pick<AppliedEntry, "chunkCount" | "byteCount" | "createdMs">,
  timestampMs: number,
  limits: StreamLimits,
): string | null {
  if (stream.chunkCount > limits.maxChunks) return `A stream may have at most ${limits.maxChunks} chunks.`;
  if (stream.byteCount > limits.maxBytes) return `A stream may have at most ${limits.maxBytes} bytes.`;
  if (timestampMs - stream.createdMs > limits.maxAgeMs) {
    return `A stream may be at most ${limits.maxAgeMs / 1000} seconds old.`;
  }
  return null;
}

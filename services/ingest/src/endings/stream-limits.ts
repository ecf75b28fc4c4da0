import type { AppliedEntry } from "@sluice/core";

/** What a stream may grow to before it is ended. */
export interface StreamLimits {
  maxChunks: number;
  /** Of chunk JSON. */
  maxBytes: number;
  /** From its first message to its last one, by the log's clock. */
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

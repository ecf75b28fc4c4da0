import type { Chunk, EndStatus } from "@sluice/core";

/** A chunk as it arrives. With `compact`, one may stand for all from `first_sequence` on. */
export interface StreamChunk extends Chunk {
  first_sequence?: number;
}

/**
 * Sequences that can't be had. `skipped` is what no server announced: it was asked for again, several times, and was left
 * out each time. With `reset` the stream is shorter than what was read of it: discard what came after `head`.
 * Where joined chunks were read, that is before the first of them: what is left comes again.
 */
export type Gap =
  | { stream_id: string; from: number; to: number; reason: "expired" | "new_era" | "skipped"; reset?: never }
  | { stream_id: string; cursor: number; head: number; reason: "cursor_ahead"; reset: true };

export interface StreamEnd {
  /** Null: it had ended before, and neither a chunk nor the server says how. */
  status: EndStatus | null;
  /** The `Complete` or `Error` chunk, where this reader got it. */
  chunk: StreamChunk | null;
}

/** Whether an event of this name carries a chunk. A test holds it to CHUNK_TYPES, which would cost a bundle 100 bytes. */
export const isChunkEvent = (name: string | null): boolean =>
  /^(text|json|event|progress|error|complete)$/.test(`${name}`);

import type { Chunk, EndStatus } from "@sluice/core";

/** A chunk as it arrives. Fields have the names of the wire (PROTOCOL.md, section 7.3). */
export interface StreamChunk extends Chunk {
  /** First sequence of a joined chunk (`compact`): it stands for all from here to `sequence`. */
  first_sequence?: number;
}

/**
 * A hole in a stream.
 *
 * Without `reset`, the sequences `from` to `to` are gone: their retention has passed (`expired`), the log was replaced
 * (`new_era`), or they were left out without a word three times in a row, by something between the edge and this reader
 * (`skipped`).
 *
 * With `reset`, the stream is shorter than what was read of it, since its log was restored: discard everything after `head`.
 * Chunks that follow have sequences after `head` again.
 */
export type Gap =
  | { stream_id: string; from: number; to: number; reason: "expired" | "new_era" | "skipped"; reset?: never }
  | { stream_id: string; cursor: number; head: number; reason: "cursor_ahead"; reset: true };

/** End of a stream. */
export interface StreamEnd {
  /** How the stream ended; null: it had ended before, and neither a chunk nor the server says how. */
  status: EndStatus | null;
  /** The `Complete` or `Error` chunk; null: this reader didn't get it. */
  chunk: StreamChunk | null;
}

/** Whether an event of this name carries a chunk. A test holds it to CHUNK_TYPES, which would cost a bundle 100 bytes. */
export const isChunkEvent = (name: string | null): boolean =>
  /^(text|json|event|progress|error|complete)$/.test(`${name}`);

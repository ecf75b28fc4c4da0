import type { StreamRow } from "./control.ts";

interface Mark {
  readonly timeMs: number;
  readonly chunks: number;
}

// A rate over a shorter time jumps too much to be read.
const SPAN_MS = 6_000;

/** Computes the chunks per second of each stream from the lists that were loaded. */
export class StreamRates {
  #marks = new Map<string, readonly Mark[]>();

  /** Takes a list. Streams that aren't in it are forgotten. */
  add(streams: readonly StreamRow[], timeMs: number): void {
    this.#marks = new Map(
      streams.map((row) => {
        const kept = (this.#marks.get(row.stream_id) ?? []).filter((mark) => mark.timeMs > timeMs - SPAN_MS);
        return [row.stream_id, [...kept, { timeMs, chunks: row.chunk_count }]];
      }),
    );
  }

  /** @returns chunks per second; null until the stream was seen twice */
  of(streamId: string): number | null {
    const marks = this.#marks.get(streamId) ?? [];
    const [first, last] = [marks[0], marks.at(-1)];
    if (first === undefined || last === undefined || last.timeMs === first.timeMs) return null;
    return ((last.chunks - first.chunks) * 1000) / (last.timeMs - first.timeMs);
  }
}

import type { StreamRow } from "./control.ts";

interface Mark {
  readonly timeMs: number;
  readonly chunks: number;
}

// Over so long a rate is smooth enough to be read.
const SPAN_MS = 6_000;

/** Chunks per second of each stream, from one look at the list to the next. */
export class StreamRates {
  #marks = new Map<string, readonly Mark[]>();

  /** Streams that are not in the list are forgotten. */
  add(streams: readonly StreamRow[], timeMs: number): void {
    this.#marks = new Map(
      streams.map((row) => {
        const kept = (this.#marks.get(row.stream_id) ?? []).filter((mark) => mark.timeMs > timeMs - SPAN_MS);
        return [row.stream_id, [...kept, { timeMs, chunks: row.chunk_count }]];
      }),
    );
  }

  /** Null until it was seen twice. */
  of(streamId: string): number | null {
    const marks = this.#marks.get(streamId) ?? [];
    const [first, last] = [marks[0], marks.at(-1)];
    if (first === undefined || last === undefined || last.timeMs === first.timeMs) return null;
    return ((last.chunks - first.chunks) * 1000) / (last.timeMs - first.timeMs);
  }
}

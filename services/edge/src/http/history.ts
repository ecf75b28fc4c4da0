import {
  StreamError,
  type CachedChunk,
  type PageBounds,
  type RebuildAnswer,
  type StartPoint,
  type StreamStatus,
} from "@sluice/core";
import type { GapReason } from "@sluice/protocol";
import { gapReason } from "../stream/gap-reason.ts";
import type { ChunkPage } from "../stream/chunk-page.ts";
import type { ReadingClient } from "../stream/page-reads.ts";
import { HEAD_ONLY, type StreamLookup } from "../stream/stream-lookup.ts";

/** A range that can't be had, or a position that never was: `reset` goes on after `head`. */
export type HistoryGap =
  | { from: number; to: number; reason: GapReason }
  | { reset: true; cursor: number; head: number; reason: GapReason };

/** A piece of a stream for a reader who asks for one piece after another. */
export interface HistoryPage {
  /** Chunks in order, without holes but those in `gaps`; rejected elements are left out. */
  chunks: readonly CachedChunk[];
  gaps: readonly HistoryGap[];
  /** Position to ask for next. */
  nextAfter: number;
  head: number;
  status: StreamStatus;
}

/** @returns the sequence before the first wanted; null: there is no such stream */
export async function findCursor(
  lookup: StreamLookup,
  streamId: string,
  start: StartPoint,
  client: ReadingClient,
): Promise<number | null> {
  if (start.kind === "after") return start.sequence;
  const state = await lookup.find(streamId, Number.MAX_SAFE_INTEGER, client, HEAD_ONLY);
  return state === null ? null : Math.max(0, state.head - start.count);
}

/**
 * Reads what follows a sequence, as far as the bounds go: by the same rules as an SSE replay, so what the cache misses is
 * brought back from the log first, and only what the log doesn't have either is a gap.
 * @returns null: there is no such stream
 * @throws StreamError CACHE_UNAVAILABLE; CONNECTION where ingest doesn't answer
 */
export async function readHistory(
  lookup: StreamLookup,
  streamId: string,
  after: number,
  bounds: PageBounds,
  client: ReadingClient,
): Promise<HistoryPage | null> {
  const page = await lookup.find(streamId, after, client, bounds);
  if (page === null) return null;
  if (page.status === "deleted") return pageAfter(page, after, []);
  if (page.head >= after && (page.head === after || isNext(page, after))) return pageAfter(page, after, []);
  const answer = await lookup.rebuild(streamId, client);
  if (answer === null) throw new StreamError("CONNECTION", "the stream can't be brought back now; try again");
  const rebuilt = await lookup.readPage(streamId, after, client, bounds);
  if (rebuilt === null) throw new StreamError("CACHE_UNAVAILABLE", "the stream could not be brought back");
  if (rebuilt.head < after) {
    const { head } = rebuilt;
    return pageAfter(rebuilt, head, [{ reset: true, cursor: after, head, reason: "cursor_ahead" }]);
  }
  const to = lastMissing(rebuilt, after, answer);
  if (to === after) return pageAfter(rebuilt, after, []);
  return pageAfter(rebuilt, to, [{ from: after + 1, to, reason: gapReason(after + 1, to) }]);
}

/** Where the first hole ends; `after` where there is none. What isn't in the cache after a rebuild is nowhere. */
function lastMissing(page: ChunkPage, after: number, answer: RebuildAnswer): number {
  const next = page.chunks[0]?.sequence;
  if (next !== undefined) return next - 1;
  const last = answer.kind === "restored" ? Math.min(answer.firstAvailable - 1, page.head) : page.head;
  return Math.max(last, after);
}

function isNext(page: ChunkPage, after: number): boolean {
  return page.chunks[0]?.sequence === after + 1;
}

function pageAfter(page: ChunkPage, after: number, gaps: HistoryGap[]): HistoryPage {
  const chunks: CachedChunk[] = [];
  let nextAfter = after;
  for (const chunk of page.chunks) {
    if (chunk.sequence <= nextAfter) continue;
    if (chunk.sequence !== nextAfter + 1) break;
    nextAfter = chunk.sequence;
    if (chunk.json.byteLength > 0) chunks.push(chunk);
  }
  return { chunks, gaps, nextAfter, head: page.head, status: page.status };
}

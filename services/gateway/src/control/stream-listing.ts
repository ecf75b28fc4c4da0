import {
  isStreamId,
  mergeRecentStreams,
  type ChunkCache,
  type ListedStream,
  type RecentQuery,
  type RecentStreams,
  type StreamInfo,
  type StreamStatus,
} from "@sluice/core";

export interface ListingQuery {
  /** `ended`: all but open ones. */
  status: StreamStatus | "ended" | null;
  prefix: string;
  /** The last stream of the page before; null: the first page. */
  after: ListedStream | null;
  limit: number;
}

export interface Listing {
  streams: readonly StreamInfo[];
  /** Position at which the next page begins; null: there is none. */
  next: ListedStream | null;
}

// A status that few streams have is looked for record by record. Without these bounds one request reads them all.
const MAX_ROUNDS = 4;
const CANDIDATES_PER_ROUND = 200;

/**
 * One page of all partitions' streams, newest message first. The work is bounded, so a page may be short, or empty, and
 * yet have a next one.
 */
export async function listStreams(
  cache: Pick<ChunkCache, "readRecentStreams" | "readInfo">,
  partitions: number,
  query: ListingQuery,
): Promise<Listing> {
  const { status, prefix, limit } = query;
  const list = status === null || status === "open" ? status : "ended";
  const isExact = status === list || status === "ended";
  const found = new Map<string, StreamInfo>();
  let after = query.after;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const candidates = isExact || status === null ? limit - found.size : CANDIDATES_PER_ROUND;
    const page = await readAllPartitions(cache, partitions, { list, prefix, after, limit: candidates });
    const infos = await Promise.all(page.streams.map(({ streamId }) => cache.readInfo(streamId)));
    for (const [index, info] of infos.entries()) {
      if (found.size === limit) return { streams: [...found.values()], next: after };
      after = page.streams[index] ?? null;
      // The record has the say: the lists may hold a stream whose record is gone, or was made anew.
      if (info !== null && hasStatus(info, status)) found.set(info.streamId, info);
    }
    after = page.next;
    if (after === null || found.size === limit) break;
  }
  return { streams: [...found.values()], next: after };
}

function hasStatus({ head }: StreamInfo, wanted: ListingQuery["status"]): boolean {
  if (wanted === null) return true;
  return wanted === "ended" ? head.status !== "open" : head.status === wanted;
}

async function readAllPartitions(
  cache: Pick<ChunkCache, "readRecentStreams">,
  partitions: number,
  query: RecentQuery,
): Promise<RecentStreams> {
  const numbers = Array.from({ length: partitions }, (_, partition) => partition);
  const pages = await Promise.all(numbers.map((partition) => cache.readRecentStreams(partition, query)));
  return mergeRecentStreams(pages, query.limit);
}

/** A position as clients carry it: not to be read by them. */
export function encodeCursor({ streamId, updatedMs }: ListedStream): string {
  return Buffer.from(`${updatedMs}:${streamId}`).toString("base64url");
}

/** Null where it can't be one. */
export function decodeCursor(cursor: string): ListedStream | null {
  const [, time = "", streamId = ""] =
    /^(\d{1,16}):(.*)$/.exec(Buffer.from(cursor, "base64url").toString()) ?? [];
  const updatedMs = Number(time);
  if (time === "" || !Number.isSafeInteger(updatedMs) || !isStreamId(streamId)) return null;
  return { streamId, updatedMs };
}

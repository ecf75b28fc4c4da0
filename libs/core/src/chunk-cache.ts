import type { CancelReason } from "./cancel-feed.ts";
import type { Divergence } from "./divergence.ts";
import type { StreamStatus } from "./chunk.ts";
import type { LogEntry } from "./log-entry.ts";
import type { Page } from "./replay-merge.ts";
import type { StreamHead } from "./sequencing.ts";

/** A position in the log that the cache has applied everything up to. */
export interface Checkpoint {
  brokerSequence: number;
  /** When the log stored the message at this position, ms; 0 where there is none. Together with the next field it tells one log from another. */
  timestampMs: number;
  /** When the log was created, ms. */
  logCreatedMs: number;
}

/** Consecutive messages of one partition. */
export interface AppendBatch {
  partition: number;
  /** The ingester has read everything of the partition after this broker sequence, without a hole, up to `checkpoint`. */
  readAfter: number;
  /** Where the batch ends; not below its last entry. */
  checkpoint: Checkpoint;
  /** Entries in log order. */
  entries: readonly LogEntry[];
  /** The log's, as far as the ingester knows; absent: none. */
  divergences?: readonly Divergence[];
}

/**
 * Outcome of one entry: its elements took `first` … `first + count − 1`. A duplicate, or one after the end, has
 * count 0; a tombstone that deleted its stream has count 1. The rest says how its stream stands after it.
 */
export interface AppliedEntry {
  first: number;
  count: number;
  status: StreamStatus;
  /** True if the entry was applied before and changed nothing. */
  isDuplicate: boolean;
  /** The stream's totals with this entry; zeros for a duplicate of a stream whose record is lost. */
  chunkCount: number;
  byteCount: number;
  createdMs: number;
}

export type AppendOutcome =
  /** All is written. `entries` in input order. */
  | { kind: "applied"; entries: readonly AppliedEntry[] }
  /**
   * The cache has fallen back behind `readAfter`: nothing was written, read again after `checkpoint` (null: it has none).
   * Also where the checkpoint is of another log: it says nothing about this one, and has to be seeded anew.
   */
  | { kind: "rewind"; checkpoint: Checkpoint | null }
  /** The first numbers of these streams can't be told from cache or message: nothing was written, restore them first. */
  | { kind: "unproven"; streamIds: readonly string[] };

/** Chunk JSON as cached, complete with stream and sequence; zero bytes: a rejected element's placeholder. */
export interface CachedChunk {
  sequence: number;
  json: Uint8Array;
}

export interface StreamPage extends Page<CachedChunk> {
  status: StreamStatus;
  /** The creator's options, JSON that the cache doesn't look into; null if there are none. */
  options: string | null;
}

export interface PageBounds {
  /** 0: only head and status are wanted, and no chunk is touched. */
  maxChunks: number;
  /**
   * Most bytes of chunk JSON. A page ends before the chunk that would pass this, but has at least one if there is one and any are
   * wanted. No more than this and one chunk leave the store for a page, however large the chunks are.
   */
  maxBytes: number;
}

/** Where a reader begins: after a sequence (0: at the beginning), or with the last ones, as of the moment it is looked up. */
export type StartPoint = { kind: "after"; sequence: number } | { kind: "tail"; count: number };

/** Facts about a stream as a whole that come from the log. */
export interface LoggedStream {
  streamId: string;
  head: StreamHead;
  /** Chunks and their JSON bytes written so far, rejected ones not counted. */
  chunkCount: number;
  byteCount: number;
  createdMs: number;
  updatedMs: number;
  /** When the terminal chunk was logged; null while open. */
  endedMs: number | null;
  /** Options of the creator, JSON; null if there are none. */
  options: string | null;
  /** Interval at which the producer beats, as its last message promised, ms; null if it doesn't. */
  beatIntervalMs: number | null;
}

/** A wish to stop a stream. Known to the cache only: a cache that loses the stream's record loses it, too. */
export interface CancelRequest {
  requestedMs: number;
  reason: CancelReason;
}

/**
 * Record of a stream as a whole. It outlives its chunks (7 days), so that late readers learn how it ended. Where nobody
 * has written a chunk to the stream it lives for minutes, and the log brings it back when it is asked for.
 */
export interface StreamInfo extends LoggedStream {
  /** Stands also when the stream has ended, whichever way. Null: nobody wanted it stopped while it was open. */
  cancelRequest: CancelRequest | null;
}

/** A stream as the lists of its partition have it. */
export interface ListedStream {
  streamId: string;
  /** When the log stored its last message, ms. */
  updatedMs: number;
}

export interface RecentQuery {
  /** List of the partition's streams that is read; null: both. Deleted streams have ended. */
  list: "open" | "ended" | null;
  /** Only those whose ids begin so. */
  prefix: string;
  /** `next` of the page before; null: from the newest on. */
  after: ListedStream | null;
  limit: number;
}

export interface RecentStreams {
  /** Newest message first; of those of the same millisecond the last id first. */
  streams: readonly ListedStream[];
  /** Everything up to here was looked at, and the next page begins behind it. Null: there is no more. */
  next: ListedStream | null;
}

/** One page of a stream as read back from the log, to be laid into the cache. */
export interface RestoredPage {
  partition: number;
  streamId: string;
  /** Seconds that the chunks are to live. */
  chunkTtlSeconds: number;
  /** Ascending; others that the cache holds stay. */
  chunks: readonly CachedChunk[];
  /** The stream as a whole, once everything up to the broker sequence was considered; null on all pages but the last. */
  completion: {
    info: LoggedStream;
    snapshotBrokerSequence: number;
    /** False: the beginning is unprovable and `info` is a jump. It may only create a record, never touch one. */
    isProven: boolean;
    /** True if the only chunk is the end that ingest gave a silent stream. Default: false. */
    endsUnwritten?: boolean;
  } | null;
}

/**
 * The partial response cache: chunks by sequence, the streams' heads and the partitions' checkpoints.
 * A cache, never the record: all of it can be made again from the log.
 *
 * Atomicity: each method is one indivisible step with regard to all others, also to those of other processes; a
 * loss of data (fail-over to an older copy, flush) takes a partition as a whole or its expiring chunks only.
 * Every method throws StreamError CACHE_UNAVAILABLE when the cache can't be reached in time.
 */
export interface ChunkCache {
  /**
   * Numbers the entries by `numberEntry` and writes chunks, heads and checkpoint, in log order, all or nothing.
   * Entries at or before the checkpoint or their stream's head are skipped: repeating a batch changes nothing, and two
   * ingesters of one partition can't harm each other. An append renews the chunks' time to live, never shortening it.
   */
  append(batch: AppendBatch): Promise<AppendOutcome>;

  /**
   * Lays a page of a rebuilt stream into the cache. Fills holes by sequence; never lowers a head or reopens an ended
   * stream. Chunks become readable when the head covers them.
   * @returns false if the completion came too late: there is no record and the checkpoint is past the snapshot, so
   * what was applied meanwhile may be missing from it; read the log again
   */
  restore(page: RestoredPage): Promise<boolean>;

  /**
   * The chunks after the cursor and the head, as of one instant; null where nothing is known of the stream.
   * Reading lengthens the chunks' life when less than half of it is left: by a write of its own, soon after the read.
   */
  readPage(streamId: string, after: number, bounds: PageBounds): Promise<StreamPage | null>;

  /** Null where nothing is known of the stream. */
  readInfo(streamId: string): Promise<StreamInfo | null>;

  /**
   * Records that a stream is to be stopped, if it is open; of several wishes the first one stands.
   * @returns how the stream stands, null where nothing is known of it
   */
  requestCancel(streamId: string, wish: CancelRequest): Promise<StreamStatus | null>;

  /**
   * A page of the partition's open streams, longest silent first. Kept in the same step as the heads, so a stream stands
   * here from its first message to its end; one whose record is lost stands here too.
   * @param after the last one of the page before, null for the first page. A stream that gets a message meanwhile moves
   * to the end and may come again; none is left out
   */
  readOpenStreams(
    partition: number,
    after: ListedStream | null,
    limit: number,
  ): Promise<readonly ListedStream[]>;

  /** Puts streams on the list of open ones that stand there no more, or never stood: without a record so far. */
  listOpenStreams(partition: number, streams: readonly ListedStream[]): Promise<void>;

  /** Takes a stream off the list of open ones, unless its record says that it is open. */
  forgetOpenStream(streamId: string): Promise<void>;

  /**
   * A page of the partition's streams, for people to look at. An open stream stands here as in `readOpenStreams`, an ended
   * one from the step that ends it on, as long as its record lives and as one of a bounded number: past that the one that
   * has been silent longest is no longer listed. A page looks at a bounded number of ids, so with a prefix it may be short,
   * or empty, and yet have a next one. A stream that gets a message between two pages moves to the front.
   */
  readRecentStreams(partition: number, query: RecentQuery): Promise<RecentStreams>;

  readCheckpoint(partition: number): Promise<Checkpoint | null>;

  /** Sets the checkpoint where there is none, or that of an older log. @returns the one that stands afterwards */
  seedCheckpoint(partition: number, checkpoint: Checkpoint): Promise<Checkpoint>;

  /**
   * Puts `next`, which may be lower, in the place of `expected`: the log has diverged from what was applied. Nothing
   * changes where another one stands. @returns the one that stands afterwards
   */
  replaceCheckpoint(partition: number, expected: Checkpoint, next: Checkpoint): Promise<Checkpoint | null>;
}

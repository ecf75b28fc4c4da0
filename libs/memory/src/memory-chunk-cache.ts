import {
  assertAppendBatch,
  numberEntry,
  realign,
  partitionOf,
  type AppendBatch,
  type AppendOutcome,
  type AppliedEntry,
  type CachedChunk,
  type CancelRequest,
  type Checkpoint,
  type Divergence,
  type ChunkCache,
  type LogEntry,
  type ListedStream,
  type PageBounds,
  type RecentQuery,
  type RecentStreams,
  type RestoredPage,
  type StreamInfo,
  type StreamPage,
  type StreamStatus,
} from "@sluice/core";
import { cacheTtlOfOptions, chunkJsonHead, isIdleEnd } from "@sluice/protocol";
import { MemoryStreamLists } from "./memory-stream-lists.ts";
import { completeRecord, newRecord, type StreamRecord } from "./stream-record.ts";

export interface MemoryChunkCacheOptions {
  partitions: number;
  chunkTtlSeconds?: number;
  metaTtlSeconds?: number;
  /** How long the record of a stream lives to which nobody has written a chunk. */
  unwrittenTtlSeconds?: number;
  /** How many ended streams of a partition are listed. */
  maxEndedStreams?: number;
  /** Milliseconds; what the times to live are measured by. */
  now?: () => number;
}

interface StreamState {
  record: StreamRecord | null;
  recordExpiresMs: number;
  chunks: Map<number, Uint8Array>;
  chunksExpireMs: number;
}

interface PartitionState {
  checkpoint: Checkpoint | null;
  streams: Map<string, StreamState>;
  lists: MemoryStreamLists;
}

/** Content of a MemoryChunkCache at one time; nothing that happens later changes it. */
export interface MemoryCacheSnapshot {
  readonly partitions: ReadonlyMap<number, PartitionState>;
}

/** Draft of one stream by a batch, before it is decided whether the batch is written. */
interface Draft {
  record: StreamRecord | null;
  written: Map<number, Uint8Array>;
  ttlSeconds: number;
  isChanged: boolean;
  endsUnwritten: boolean;
  /** Something of the batch came before the stream's end. */
  isRenewed: boolean;
}

const utf8 = new TextEncoder();

/**
 * The chunk cache in memory, with the losses of a real one at hand. Numbers by `numberEntry` itself.
 *
 * Longer than 300 lines: one class holds a whole port, as the one Redis instance does; in parts it could not be read beside append.lua.
 */
export class MemoryChunkCache implements ChunkCache {
  readonly #partitionCount: number;
  readonly #chunkTtlSeconds: number;
  readonly #metaTtlSeconds: number;
  readonly #unwrittenTtlSeconds: number;
  readonly #maxEndedStreams: number;
  readonly #now: () => number;
  #partitions = new Map<number, PartitionState>();

  constructor(options: MemoryChunkCacheOptions) {
    this.#partitionCount = options.partitions;
    this.#chunkTtlSeconds = options.chunkTtlSeconds ?? 300;
    this.#metaTtlSeconds = options.metaTtlSeconds ?? 7 * 24 * 60 * 60;
    this.#unwrittenTtlSeconds = options.unwrittenTtlSeconds ?? 600;
    this.#maxEndedStreams = options.maxEndedStreams ?? 10_000;
    this.#now = options.now ?? Date.now;
  }

  async append(batch: AppendBatch): Promise<AppendOutcome> {
    assertAppendBatch(batch, this.#partitionCount);
    const partition = this.#partition(batch.partition);
    const current = partition.checkpoint;
    if (
      current === null ||
      current.logCreatedMs !== batch.checkpoint.logCreatedMs ||
      current.brokerSequence < batch.readAfter
    ) {
      return { kind: "rewind", checkpoint: current };
    }

    const drafts = new Map<string, Draft>();
    const unproven = new Set<string>();
    const entries: AppliedEntry[] = [];
    for (const entry of batch.entries) {
      const draft = drafts.get(entry.streamId) ?? this.#draftOf(entry.streamId, batch.divergences);
      drafts.set(entry.streamId, draft);
      const applied = this.#applyEntry(draft, entry, current.brokerSequence, batch.divergences);
      if (applied === null) unproven.add(entry.streamId);
      else entries.push(applied);
    }
    if (unproven.size > 0) return { kind: "unproven", streamIds: [...unproven] };

    for (const [streamId, draft] of drafts) this.#write(streamId, draft);
    if (batch.checkpoint.brokerSequence > current.brokerSequence) partition.checkpoint = batch.checkpoint;
    return { kind: "applied", entries };
  }

  async restore(page: RestoredPage): Promise<boolean> {
    const { completion } = page;
    const stream = this.#stream(page.streamId);
    const checkpoint = this.#partition(page.partition).checkpoint;
    if (
      completion !== null &&
      stream.record === null &&
      checkpoint !== null &&
      checkpoint.brokerSequence > completion.snapshotBrokerSequence
    ) {
      return false;
    }
    if (stream.record?.info.head.status === "deleted") return true;

    if (completion !== null && (stream.record === null || completion.isProven)) {
      stream.record = completeRecord(stream.record, completion.info, page.chunkTtlSeconds);
      const { head } = stream.record.info;
      const endsUnwritten =
        completion.endsUnwritten === true && head.sequence === completion.info.head.sequence;
      const ttlSeconds = this.#recordTtlSeconds(head.sequence, endsUnwritten, page.chunkTtlSeconds);
      stream.recordExpiresMs = Math.max(stream.recordExpiresMs, this.#now() + ttlSeconds * 1000);
      this.#list(stream.record);
    }
    if (stream.record?.info.head.status === "deleted") {
      stream.chunks.clear();
      return true;
    }
    for (const { sequence, json } of page.chunks) {
      if (!stream.chunks.has(sequence)) stream.chunks.set(sequence, Uint8Array.from(json));
    }
    if (page.chunks.length > 0) this.#keepChunks(stream, page.chunkTtlSeconds);
    return true;
  }

  async readPage(streamId: string, after: number, bounds: PageBounds): Promise<StreamPage | null> {
    const stream = this.#stream(streamId);
    if (stream.record === null) return null;
    const { sequence: head, status } = stream.record.info.head;
    const chunks: CachedChunk[] = [];
    let bytes = 0;
    for (const sequence of [...stream.chunks.keys()].sort((a, b) => a - b)) {
      if (sequence <= after || sequence > head) continue;
      const json = stream.chunks.get(sequence) ?? new Uint8Array();
      if (chunks.length >= bounds.maxChunks) break;
      if (chunks.length > 0 && bytes + json.byteLength > bounds.maxBytes) break;
      bytes += json.byteLength;
      chunks.push({ sequence, json });
    }
    const ttlMs = stream.record.chunkTtlSeconds * 1000;
    const leftMs = stream.chunksExpireMs - this.#now();
    if (stream.chunks.size > 0 && leftMs < ttlMs / 2) stream.chunksExpireMs = this.#now() + ttlMs;
    return { head, status, hasEnded: status !== "open", options: stream.record.info.options, chunks };
  }

  async readInfo(streamId: string): Promise<StreamInfo | null> {
    const { record } = this.#stream(streamId);
    return record === null ? null : structuredClone(record.info);
  }

  async requestCancel(streamId: string, wish: CancelRequest): Promise<StreamStatus | null> {
    const info = this.#stream(streamId).record?.info;
    if (info === undefined) return null;
    if (info.head.status === "open") info.cancelRequest ??= { ...wish };
    return info.head.status;
  }

  async readOpenStreams(
    partition: number,
    after: ListedStream | null,
    limit: number,
  ): Promise<readonly ListedStream[]> {
    return this.#partition(partition).lists.readOpen(after, limit);
  }

  async listOpenStreams(partition: number, streams: readonly ListedStream[]): Promise<void> {
    this.#partition(partition).lists.listOpen(streams);
  }

  async forgetOpenStream(streamId: string): Promise<void> {
    if (this.#stream(streamId).record?.info.head.status === "open") return;
    this.#partition(partitionOf(streamId, this.#partitionCount)).lists.forgetOpen(streamId);
  }

  async readRecentStreams(partition: number, query: RecentQuery): Promise<RecentStreams> {
    return this.#partition(partition).lists.readRecent(query);
  }

  async readCheckpoint(partition: number): Promise<Checkpoint | null> {
    return this.#partition(partition).checkpoint;
  }

  async seedCheckpoint(partition: number, checkpoint: Checkpoint): Promise<Checkpoint> {
    const state = this.#partition(partition);
    if (state.checkpoint === null || state.checkpoint.logCreatedMs < checkpoint.logCreatedMs) {
      state.checkpoint = { ...checkpoint };
    }
    return state.checkpoint;
  }

  async replaceCheckpoint(
    partition: number,
    expected: Checkpoint,
    next: Checkpoint,
  ): Promise<Checkpoint | null> {
    const state = this.#partition(partition);
    const isExpected =
      state.checkpoint?.brokerSequence === expected.brokerSequence &&
      state.checkpoint.timestampMs === expected.timestampMs &&
      state.checkpoint.logCreatedMs === expected.logCreatedMs;
    if (isExpected) state.checkpoint = { ...next };
    return state.checkpoint;
  }

  /** Everything is lost. */
  flush(): void {
    this.#partitions = new Map();
  }

  /** The chunks of one stream are lost, as when their time is over. */
  dropChunks(streamId: string): void {
    this.#stream(streamId).chunks.clear();
  }

  /** One stream's record is lost, its chunks are not. */
  dropMeta(streamId: string): void {
    this.#stream(streamId).record = null;
  }

  snapshot(): MemoryCacheSnapshot {
    return { partitions: copyPartitions(this.#partitions) };
  }

  /** Falls back as after a fail-over to a copy that had fallen behind. */
  rollback(snapshot: MemoryCacheSnapshot): void {
    this.#partitions = copyPartitions(snapshot.partitions);
  }

  /** How long a stream's chunks still live; null where it has none. */
  chunksTtlMs(streamId: string): number | null {
    const stream = this.#stream(streamId);
    return stream.chunks.size === 0 ? null : stream.chunksExpireMs - this.#now();
  }

  /** How long a stream's record still lives; null where there is none. */
  recordTtlMs(streamId: string): number | null {
    const stream = this.#stream(streamId);
    return stream.record === null ? null : stream.recordExpiresMs - this.#now();
  }

  /** Lets a stream's chunks live just so long from now. */
  expireChunksIn(streamId: string, ttlMs: number): void {
    this.#stream(streamId).chunksExpireMs = this.#now() + ttlMs;
  }

  /** Null where the entry's number is unproven. */
  #applyEntry(
    draft: Draft,
    entry: LogEntry,
    checkpoint: number,
    divergences: readonly Divergence[] = [],
  ): AppliedEntry | null {
    const before = draft.record?.info.head ?? null;
    const duplicate = {
      ...totalsOf(draft.record),
      first: (before?.sequence ?? 0) + 1,
      count: 0,
      status: before?.status ?? ("open" as const),
      isDuplicate: true,
    };
    if (entry.brokerSequence <= checkpoint) return duplicate;
    const numbering = numberEntry(before, entry, divergences);
    if (numbering.kind === "duplicate") return duplicate;
    if (numbering.kind === "unproven") return null;

    const { first, count, head } = numbering;
    draft.isChanged = true;
    draft.record ??= newRecord(entry.streamId, entry.timestampMs);
    const { record } = draft;
    const { info } = record;
    info.head = head;
    const cameAfterEnd = before !== null && before.status !== "open" && head.status === before.status;
    const outcome = { first, count, status: head.status, isDuplicate: false };
    if (cameAfterEnd) return { ...outcome, ...totalsOf(record) };
    draft.endsUnwritten = first === 1 && isIdleEnd(entry);
    draft.isRenewed = true;

    info.updatedMs = entry.timestampMs;
    if (head.status !== "open") info.endedMs ??= entry.timestampMs;
    info.options ??= entry.options;
    info.beatIntervalMs = entry.beatIntervalMs;
    if (entry.isTombstone) return { ...outcome, ...totalsOf(record) };

    const ownTtlSeconds = cacheTtlOfOptions(info.options) ?? this.#chunkTtlSeconds;
    for (const [index, element] of entry.elements.slice(0, count).entries()) {
      const sequence = first + index;
      const isChunk = element.kind === "chunk";
      const json = utf8.encode(isChunk ? chunkJsonHead(entry.streamId, sequence) + element.body : "");
      draft.written.set(sequence, json);
      info.chunkCount += isChunk ? 1 : 0;
      info.byteCount += json.byteLength;
      draft.ttlSeconds = Math.max(
        draft.ttlSeconds,
        (isChunk ? element.cacheTtlSeconds : null) ?? ownTtlSeconds,
      );
    }
    return { ...outcome, ...totalsOf(record) };
  }

  #draftOf(streamId: string, divergences: readonly Divergence[] = []): Draft {
    const record = structuredClone(this.#stream(streamId).record);
    if (record !== null) {
      const { head, updatedMs } = record.info;
      head.brokerSequence = realign(head.brokerSequence, updatedMs, divergences);
    }
    return {
      record,
      written: new Map(),
      ttlSeconds: 0,
      isChanged: false,
      endsUnwritten: false,
      isRenewed: false,
    };
  }

  #write(streamId: string, draft: Draft): void {
    if (!draft.isChanged || draft.record === null) return;
    const stream = this.#stream(streamId);
    const wasDeleted = stream.record?.info.head.status === "deleted";
    stream.record = draft.record;
    this.#list(draft.record);
    stream.record.chunkTtlSeconds = Math.max(draft.record.chunkTtlSeconds, draft.ttlSeconds);
    const { chunkTtlSeconds, info } = stream.record;
    const recordTtlSeconds = this.#recordTtlSeconds(info.head.sequence, draft.endsUnwritten, chunkTtlSeconds);
    if (draft.isRenewed)
      stream.recordExpiresMs = Math.max(stream.recordExpiresMs, this.#now() + recordTtlSeconds * 1000);
    if (draft.record.info.head.status === "deleted" && !wasDeleted) {
      stream.chunks.clear();
    } else if (draft.written.size > 0) {
      for (const [sequence, json] of draft.written) stream.chunks.set(sequence, json);
      this.#keepChunks(stream, draft.ttlSeconds);
    }
  }

  #recordTtlSeconds(head: number, endsUnwritten: boolean, chunkTtlSeconds: number): number {
    if (head === 0 || endsUnwritten) return this.#unwrittenTtlSeconds;
    return Math.max(this.#metaTtlSeconds, chunkTtlSeconds);
  }

  #list({ info }: StreamRecord): void {
    this.#partition(partitionOf(info.streamId, this.#partitionCount)).lists.put(info);
  }

  #keepChunks(stream: StreamState, ttlSeconds: number): void {
    stream.chunksExpireMs = Math.max(stream.chunksExpireMs, this.#now() + ttlSeconds * 1000);
  }

  #partition(partition: number): PartitionState {
    const state = this.#partitions.get(partition) ?? {
      checkpoint: null,
      streams: new Map(),
      lists: new MemoryStreamLists(this.#maxEndedStreams, this.#metaTtlSeconds * 1000),
    };
    this.#partitions.set(partition, state);
    return state;
  }

  /** The stream's state, without what has expired. */
  #stream(streamId: string): StreamState {
    const { streams } = this.#partition(partitionOf(streamId, this.#partitionCount));
    const stream = streams.get(streamId) ?? emptyStream();
    streams.set(streamId, stream);
    const now = this.#now();
    if (stream.recordExpiresMs <= now) stream.record = null;
    if (stream.chunksExpireMs <= now) stream.chunks.clear();
    // A time to live belongs to what lives: nothing of it is left for what comes next.
    if (stream.record === null) stream.recordExpiresMs = 0;
    if (stream.chunks.size === 0) stream.chunksExpireMs = 0;
    return stream;
  }
}

function emptyStream(): StreamState {
  return { record: null, recordExpiresMs: 0, chunks: new Map(), chunksExpireMs: 0 };
}

function totalsOf(record: StreamRecord | null): Pick<AppliedEntry, "chunkCount" | "byteCount" | "createdMs"> {
  const { chunkCount = 0, byteCount = 0, createdMs = 0 } = record?.info ?? {};
  return { chunkCount, byteCount, createdMs };
}

/** Chunks' bytes are never changed, so they are shared. */
function copyPartitions(partitions: ReadonlyMap<number, PartitionState>): Map<number, PartitionState> {
  const copy = new Map<number, PartitionState>();
  for (const [number, { checkpoint, streams, lists }] of partitions) {
    const copied = new Map<string, StreamState>();
    for (const [streamId, stream] of streams) {
      copied.set(streamId, {
        ...stream,
        record: structuredClone(stream.record),
        chunks: new Map(stream.chunks),
      });
    }
    copy.set(number, { checkpoint, streams: copied, lists: lists.copy() });
  }
  return copy;
}

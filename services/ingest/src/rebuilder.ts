import {
  jumpSequence,
  numberEntry,
  type CachedChunk,
  type ChunkCache,
  type LiveFeed,
  type LogEntry,
  type PartitionLog,
  type RebuildAnswer,
  type RestoredPage,
  type StreamHead,
  type StreamInfo,
} from "@sluice/core";
import { chunkJsonHead, decodeMessage } from "@sluice/protocol";
import { isBeginning } from "./beginning.ts";

/** Messages read and written at a time: bounds the memory of a rebuild, whatever the stream's length. */
const PAGE_SIZE = 1_000;
/** Tries to complete a rebuild while another owner, unaware that it lost the lease, moves the checkpoint. */
const MAX_COMPLETION_TRIES = 3;

export interface RebuilderOptions {
  partition: number;
  log: PartitionLog;
  cache: ChunkCache;
  liveFeed: LiveFeed;
  maxChunkBytes: number;
  chunkTtlSeconds: number;
  /** A stream that is silent for this long has been ended, so an older message of it can't be hidden in the aged-out part. */
  idleLimitMs: number;
  now: () => number;
}

/**
 * Brings streams back from the log into the cache: after a flush, an expiry, or for a reader of an old stream.
 *
 * Two steps. While appends go on, the retained messages are read in pages, numbered and laid into the cache. Then, in
 * the pause between two appends that the caller grants, what has arrived meanwhile is added and the stream's record
 * completed, so that the record is never older than what was already applied.
 */
export class Rebuilder {
  readonly #options: RebuilderOptions;

  constructor(options: RebuilderOptions) {
    this.#options = options;
  }

  /**
   * @param exclusively runs the completion while no append of this ingester is under way, and tells the position it
   * has applied everything up to
   * @throws StreamError where log or cache fail; nothing is lost by trying again
   */
  async rebuild(
    streamId: string,
    exclusively: <T>(task: (position: number) => Promise<T>) => Promise<T>,
  ): Promise<RebuildAnswer> {
    const scan = new StreamScan(streamId, this.#options);
    await scan.readOn();
    for (let attempt = 0; attempt < MAX_COMPLETION_TRIES; attempt++) {
      const answer = await exclusively((position) => this.#complete(scan, position));
      if (answer !== null) return answer;
    }
    throw new Error(`the checkpoint of partition ${this.#options.partition} moves on without its owner`);
  }

  /** Null: the cache is further than the scan, read on and try again. */
  async #complete(scan: StreamScan, position: number): Promise<RebuildAnswer | null> {
    const { partition, cache, liveFeed, chunkTtlSeconds } = this.#options;
    const { streamId } = scan;
    await scan.readOn();
    const existing = await cache.readInfo(streamId);
    if (scan.isEmpty && existing === null) return { kind: "unknown" };

    const completion = this.#completionOf(scan, position, existing !== null);
    if (completion !== null) {
      const isLaid = await cache.restore({ partition, streamId, chunkTtlSeconds, chunks: [], completion });
      if (!isLaid) return null;
    }
    const restored = (await cache.readInfo(streamId)) ?? existing;
    if (restored === null) return null;
    const { head } = restored;
    const firstAvailable = scan.firstAvailable ?? head.sequence + 1;
    if (head.sequence > 0) {
      liveFeed.publishRange(streamId, {
        first: 1,
        last: head.sequence,
        isTerminal: head.status !== "open",
        frames: null,
      });
    }
    return { kind: "restored", firstAvailable, head: head.sequence, status: head.status };
  }

  /** Null where there is a record already, and the log can't add to it. */
  #completionOf(scan: StreamScan, position: number, hasRecord: boolean): RestoredPage["completion"] {
    if (scan.info !== null) {
      const snapshotBrokerSequence = Math.max(position, scan.upTo);
      return { info: scan.info, snapshotBrokerSequence, isProven: true };
    }
    const info = hasRecord ? null : scan.jumpInfo(position);
    return info === null ? null : { info, snapshotBrokerSequence: position, isProven: false };
  }
}

/** Reads one stream from its first retained message on and numbers it, laying chunks into the cache page by page. */
class StreamScan {
  readonly streamId: string;
  readonly #options: RebuilderOptions;
  #head: StreamHead | null = null;
  #info: StreamInfo | null = null;
  /** Sequence of the first message that is still there, once proven. */
  firstAvailable: number | null = null;
  isEmpty = true;
  /** Broker sequence of the last message read. */
  upTo = 0;
  #endedAt: number | null = null;
  #isUnprovable = false;

  constructor(streamId: string, options: RebuilderOptions) {
    this.streamId = streamId;
    this.#options = options;
  }

  /** The stream as a whole; null where nothing was read or its numbers can't be proven. */
  get info(): StreamInfo | null {
    return this.#isUnprovable ? null : this.#info;
  }

  /**
   * The record of a stream whose numbers are lost: everything up to the position keeps whatever numbers it had, which
   * nobody can tell any more, and what comes later is numbered above all of them.
   */
  jumpInfo(position: number): StreamInfo | null {
    if (this.#info === null) return null;
    const hasEnded = this.#endedAt !== null && this.#endedAt <= position;
    return {
      ...this.#info,
      head: {
        sequence: jumpSequence(position + 1) - 1,
        brokerSequence: position,
        status: hasEnded ? this.#info.head.status : "open",
      },
      chunkCount: 0,
      byteCount: 0,
      endedMs: hasEnded ? this.#info.endedMs : null,
    };
  }

  /** From where it stopped to the stream's last message now. */
  async readOn(): Promise<void> {
    const { log, cache, partition, maxChunkBytes } = this.#options;
    for await (const messages of log.readStream(this.streamId, this.upTo, PAGE_SIZE)) {
      const chunks: CachedChunk[] = [];
      for (const message of messages) {
        const entry = decodeMessage(message, maxChunkBytes);
        if (this.isEmpty) await this.#begin(entry);
        this.upTo = message.brokerSequence;
        const numbered = this.#number(entry);
        if (!this.#isUnprovable) chunks.push(...numbered);
      }
      if (chunks.length > 0) {
        const chunkTtlSeconds = this.#options.chunkTtlSeconds;
        await cache.restore({
          partition,
          streamId: this.streamId,
          chunkTtlSeconds,
          chunks,
          completion: null,
        });
      }
    }
  }

  async #begin(entry: LogEntry): Promise<void> {
    this.isEmpty = false;
    const { log, idleLimitMs, now } = this.#options;
    if (entry.firstSequence !== null) this.firstAvailable = entry.firstSequence;
    else if (isBeginning(entry.timestampMs, await log.facts(), idleLimitMs, now())) this.firstAvailable = 1;
    else this.#isUnprovable = true;
  }

  #number(entry: LogEntry): CachedChunk[] {
    // Where the beginning is unprovable the numbers are made up, but whether and how the stream has ended is not.
    const numbered = this.#head === null ? { ...entry, firstSequence: this.firstAvailable ?? 1 } : entry;
    const numbering = numberEntry(this.#head, numbered);
    if (numbering.kind !== "numbered") return [];
    this.#head = numbering.head;
    if (entry.isTombstone && this.firstAvailable !== null) this.firstAvailable = numbering.head.sequence;
    if (numbering.head.status !== "open") this.#endedAt ??= entry.brokerSequence;
    const chunks = entry.isTombstone ? [] : encode(entry, numbering.first, numbering.count);
    this.#info = advance(this.#info, entry, numbering.head, chunks);
    return chunks;
  }
}

function encode(entry: LogEntry, first: number, count: number): CachedChunk[] {
  return entry.elements.slice(0, count).map((element, index) => {
    const sequence = first + index;
    const json = element.kind === "rejected" ? "" : chunkJsonHead(entry.streamId, sequence) + element.body;
    return { sequence, json: Buffer.from(json) };
  });
}

function advance(
  info: StreamInfo | null,
  entry: LogEntry,
  head: StreamHead,
  chunks: readonly CachedChunk[],
): StreamInfo {
  const written = chunks.filter((chunk) => chunk.json.byteLength > 0);
  const bytes = written.reduce((sum, chunk) => sum + chunk.json.byteLength, 0);
  return {
    streamId: entry.streamId,
    head,
    chunkCount: (info?.chunkCount ?? 0) + written.length,
    byteCount: (info?.byteCount ?? 0) + bytes,
    createdMs: info?.createdMs ?? entry.timestampMs,
    updatedMs: entry.timestampMs,
    endedMs: head.status === "open" ? null : (info?.endedMs ?? entry.timestampMs),
    options: info?.options ?? entry.options,
    beatIntervalMs: entry.beatIntervalMs,
  };
}

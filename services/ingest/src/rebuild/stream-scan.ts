import {
  jumpSequence,
  numberEntry,
  positionOf,
  provesItsNumber,
  StreamError,
  type CachedChunk,
  type ChunkCache,
  type Divergence,
  type LogEntry,
  type PartitionLog,
  type StreamHead,
  type LoggedStream,
} from "@sluice/core";
import { chunkJsonHead, decodeMessage, isIdleEnd } from "@sluice/protocol";
import { isBeginning } from "./beginning.ts";
import type { IsWanted } from "./rebuild-gate.ts";

/** Messages read at a time: bounds the memory of a rebuild, whatever the stream's length. */
const PAGE_SIZE = 1_000;

// What one call lays into the cache, below 10 ms of Redis each. A page of messages can hold a million chunks, or a
// gigabyte: Redis would answer nobody for seconds, and not within our time limit, so that the stream never came back.
const MAX_LAID_CHUNKS = 512;
const MAX_LAID_BYTES = 512 * 1024;

export interface StreamScanOptions {
  partition: number;
  log: PartitionLog;
  cache: ChunkCache;
  maxChunkBytes: number;
  chunkTtlSeconds: number;
  /** A stream that is silent for this long has been ended, so an older message of it can't be hidden in the aged-out part. */
  idleLimitMs: number;
  now: () => number;
}

/** Reads one stream from its first retained message on and numbers it, laying chunks into the cache page by page. */
export class StreamScan {
  readonly streamId: string;
  readonly #divergences: readonly Divergence[];
  readonly #options: StreamScanOptions;
  #head: StreamHead | null = null;
  #info: LoggedStream | null = null;
  /** Sequence of the first message that is still there, once proven. */
  firstAvailable: number | null = null;
  isEmpty = true;
  /** Broker sequence of the last message read. */
  upTo = 0;
  #endedAt: number | null = null;
  #isUnprovable = false;
  #endsUnwritten = false;

  constructor(streamId: string, divergences: readonly Divergence[], options: StreamScanOptions) {
    this.streamId = streamId;
    this.#divergences = divergences;
    this.#options = options;
  }

  /** The stream as a whole; null where nothing was read or its numbers can't be proven. */
  get info(): LoggedStream | null {
    return this.#isUnprovable ? null : this.#info;
  }

  /** Whether its only chunk is the end that is given to a silent stream. */
  get endsUnwritten(): boolean {
    return this.#endsUnwritten;
  }

  /**
   * The record of a stream whose numbers are lost: everything up to the position keeps whatever numbers it had, which
   * nobody can tell any more, and what comes later is numbered above all of them.
   */
  jumpInfo(position: number): LoggedStream | null {
    if (this.#info === null) return null;
    const hasEnded = this.#endedAt !== null && this.#endedAt <= position;
    return {
      ...this.#info,
      head: {
        sequence: jumpSequence(positionOf(position + 1, this.#divergences)) - 1,
        brokerSequence: position,
        status: hasEnded ? this.#info.head.status : "open",
      },
      chunkCount: 0,
      byteCount: 0,
      endedMs: hasEnded ? this.#info.endedMs : null,
    };
  }

  /**
   * Reads from where it stopped to the stream's current last message.
   * @throws StreamError OVERLOADED where it isn't wanted any more
   */
  async readOn(isWanted: IsWanted = () => true): Promise<void> {
    const { log, maxChunkBytes } = this.#options;
    for await (const messages of log.readStream(this.streamId, this.upTo, PAGE_SIZE)) {
      if (!isWanted()) throw new StreamError("OVERLOADED", "nobody waits for the stream any more");
      let chunks: CachedChunk[] = [];
      let bytes = 0;
      for (const message of messages) {
        const entry = decodeMessage(message, maxChunkBytes);
        if (this.isEmpty) await this.#begin(entry);
        const numbered = this.#number(entry);
        for (const chunk of this.#isUnprovable ? [] : numbered) {
          const isFull = chunks.length === MAX_LAID_CHUNKS || bytes + chunk.json.byteLength > MAX_LAID_BYTES;
          if (chunks.length > 0 && isFull) {
            await this.#lay(chunks);
            chunks = [];
            bytes = 0;
          }
          chunks.push(chunk);
          bytes += chunk.json.byteLength;
        }
      }
      await this.#lay(chunks);
      this.upTo = messages.at(-1)?.brokerSequence ?? this.upTo;
    }
  }

  async #lay(chunks: readonly CachedChunk[]): Promise<void> {
    if (chunks.length === 0) return;
    const { cache, partition, chunkTtlSeconds } = this.#options;
    await cache.restore({ partition, streamId: this.streamId, chunkTtlSeconds, chunks, completion: null });
  }

  async #begin(entry: LogEntry): Promise<void> {
    this.isEmpty = false;
    const { log, idleLimitMs, now } = this.#options;
    const divergence = await this.#jumpedDivergence(entry);
    if (divergence !== null) {
      this.#head = { sequence: 0, brokerSequence: divergence, status: "open" };
      this.firstAvailable = jumpSequence(positionOf(entry.brokerSequence, this.#divergences));
    } else if (provesItsNumber(entry, this.#divergences)) this.firstAvailable = entry.firstSequence;
    else if (entry.firstSequence !== null) this.#isUnprovable = true;
    else if (isBeginning(entry.timestampMs, await log.facts(), idleLimitMs, now())) this.firstAvailable = 1;
    else this.#isUnprovable = true;
  }

  /**
   * Finds the divergence that a jumped stream goes back to; null if there is none. The log may have lost all of the
   * stream, and only its record can tell that it existed.
   */
  async #jumpedDivergence(entry: LogEntry): Promise<number | null> {
    if (this.#divergences.length === 0) return null;
    const record = await this.#options.cache.readInfo(this.streamId);
    const last = record?.head.sequence ?? 0;
    return (
      this.#divergences.findLast(
        ({ after, resumesAt }) => after < entry.brokerSequence && jumpSequence(resumesAt) <= last,
      )?.after ?? null
    );
  }

  #number(entry: LogEntry): CachedChunk[] {
    // Where the beginning is unprovable the numbers are made up, but whether and how the stream has ended is not.
    const numbered = this.#head === null ? { ...entry, firstSequence: this.firstAvailable ?? 1 } : entry;
    const numbering = numberEntry(this.#head, numbered, this.#divergences);
    if (numbering.kind !== "numbered") return [];
    if (numbering.count > 0) this.#endsUnwritten = numbering.first === 1 && isIdleEnd(entry);
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
  info: LoggedStream | null,
  entry: LogEntry,
  head: StreamHead,
  chunks: readonly CachedChunk[],
): LoggedStream {
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

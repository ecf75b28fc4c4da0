import {
  partitionOf,
  StreamError,
  type CachedChunk,
  type ChunkCache,
  type LiveFeed,
  type Page,
  type PageBounds,
  type RebuildAnswer,
  type StreamStatus,
} from "@sluice/core";
import { cachedChunkFrame } from "@sluice/protocol";
import type { EdgeMetrics } from "./metrics.ts";
import type { EdgeSettings } from "./settings.ts";

/** A chunk of a page; its frame is made once, however many readers the page is for. */
export class PageChunk implements CachedChunk {
  readonly sequence: number;
  readonly json: Uint8Array;
  readonly #streamId: string;
  #frame: Uint8Array | undefined;

  constructor(streamId: string, chunk: CachedChunk) {
    this.#streamId = streamId;
    this.sequence = chunk.sequence;
    this.json = chunk.json;
  }

  get frame(): Uint8Array {
    return (this.#frame ??= cachedChunkFrame(this.#streamId, this));
  }
}

/** A page of the cache. */
export interface ChunkPage extends Page<PageChunk> {
  status: StreamStatus;
}

/** Where a stream stands, without its chunks. */
export interface StreamStanding {
  head: number;
  hasEnded: boolean;
  status: StreamStatus;
}

// Without this bound a scan over random ids fills the heap with ids that don't exist.
const MAX_UNKNOWN_STREAMS = 10_000;

/** For whom only the head and the status matter. */
export const HEAD_ONLY: PageBounds = { maxChunks: 1, maxBytes: 1 };

type LookUpSettings = Pick<EdgeSettings, "pageChunks" | "pageBytes" | "rebuildTimeoutMs" | "unknownTtlMs">;

/**
 * What the edge asks of cache and ingest, each question once however many readers have it.
 * Throws StreamError CACHE_UNAVAILABLE as the cache does.
 */
export class LookUp {
  readonly #cache: ChunkCache;
  readonly #liveFeed: LiveFeed;
  readonly #partitions: number;
  readonly #settings: LookUpSettings;
  readonly #pageBounds: PageBounds;
  readonly #metrics: EdgeMetrics;
  readonly #startingReads = new Map<string, Promise<ChunkPage | null>>();
  readonly #rebuilds = new Map<string, Promise<RebuildAnswer | null>>();
  /** When each unknown stream may be asked for again, ms; in the order of asking. */
  readonly #unknownUntilMs = new Map<string, number>();

  constructor(options: {
    cache: ChunkCache;
    liveFeed: LiveFeed;
    partitions: number;
    settings: LookUpSettings;
    metrics: EdgeMetrics;
  }) {
    this.#cache = options.cache;
    this.#liveFeed = options.liveFeed;
    this.#partitions = options.partitions;
    this.#settings = options.settings;
    this.#pageBounds = { maxChunks: options.settings.pageChunks, maxBytes: options.settings.pageBytes };
    this.#metrics = options.metrics;
  }

  partitionOf(streamId: string): number {
    return partitionOf(streamId, this.#partitions);
  }

  /**
   * The page after a sequence, as the cache has it; null where it knows nothing of the stream.
   * Equal requests of one tick share a read, which begins after the last of them: a lost live message makes all
   * readers of a stream ask at once. A read that has begun is never shared, it could be older than the request.
   */
  readPage(
    streamId: string,
    after: number,
    bounds: PageBounds = this.#pageBounds,
  ): Promise<ChunkPage | null> {
    const key = `${after} ${bounds.maxChunks} ${bounds.maxBytes} ${streamId}`;
    const starting = this.#startingReads.get(key);
    if (starting !== undefined) return starting;
    const read = Promise.resolve().then(() => {
      this.#startingReads.delete(key);
      return this.#readCache(streamId, after, bounds);
    });
    this.#startingReads.set(key, read);
    return read;
  }

  /**
   * The first page for a reader who has just come. Where the cache knows nothing, ingest is asked to look in the log:
   * the stream's creation may not have got to the cache yet, or the cache was flushed.
   * @returns null: there is no such stream
   * @throws StreamError CONNECTION where ingest doesn't answer
   */
  async find(
    streamId: string,
    after: number,
    bounds: PageBounds = this.#pageBounds,
  ): Promise<ChunkPage | null> {
    if (this.#isKnownUnknown(streamId)) return null;
    const page = await this.readPage(streamId, after, bounds);
    if (page !== null) return page;
    const answer = await this.rebuild(streamId);
    if (answer === null) {
      throw new StreamError("CONNECTION", "whether this stream exists can't be told right now; try again");
    }
    if (answer.kind === "unknown") {
      this.#rememberUnknown(streamId);
      return null;
    }
    const rebuilt = await this.readPage(streamId, after, bounds);
    if (rebuilt === null)
      throw new StreamError("CACHE_UNAVAILABLE", "the stream could not be brought back; try again");
    return rebuilt;
  }

  /** Null where the cache knows nothing of the stream. */
  async readStanding(streamId: string): Promise<StreamStanding | null> {
    return this.#cache.readPage(streamId, Number.MAX_SAFE_INTEGER, HEAD_ONLY);
  }

  /**
   * Asks ingest to bring the stream back from the log. One request a stream is on its way at a time, whoever asks
   * meanwhile gets its answer.
   * @returns null without an answer in time
   */
  rebuild(streamId: string): Promise<RebuildAnswer | null> {
    const running = this.#rebuilds.get(streamId);
    if (running !== undefined) return running;
    const answer = this.#askIngest(streamId).finally(() => this.#rebuilds.delete(streamId));
    this.#rebuilds.set(streamId, answer);
    return answer;
  }

  async #askIngest(streamId: string): Promise<RebuildAnswer | null> {
    const { rebuildTimeoutMs } = this.#settings;
    const answer = await this.#liveFeed.requestRebuild(
      this.partitionOf(streamId),
      streamId,
      rebuildTimeoutMs,
    );
    this.#metrics.rebuildRequests.inc({ outcome: answer?.kind ?? "unanswered" });
    return answer;
  }

  async #readCache(streamId: string, after: number, bounds: PageBounds): Promise<ChunkPage | null> {
    const page = await this.#cache.readPage(streamId, after, bounds);
    if (page === null || (page.head > after && page.chunks[0]?.sequence !== after + 1))
      this.#metrics.cacheMisses.inc();
    else this.#metrics.cacheHits.inc();
    if (page === null) return null;
    const chunks = page.chunks.map((chunk) => new PageChunk(streamId, chunk));
    return { chunks, head: page.head, hasEnded: page.hasEnded, status: page.status };
  }

  #isKnownUnknown(streamId: string): boolean {
    const untilMs = this.#unknownUntilMs.get(streamId);
    if (untilMs === undefined) return false;
    if (performance.now() < untilMs) return true;
    this.#unknownUntilMs.delete(streamId);
    return false;
  }

  #rememberUnknown(streamId: string): void {
    const [oldest] = this.#unknownUntilMs.keys();
    if (this.#unknownUntilMs.size >= MAX_UNKNOWN_STREAMS && oldest !== undefined)
      this.#unknownUntilMs.delete(oldest);
    this.#unknownUntilMs.set(streamId, performance.now() + this.#settings.unknownTtlMs);
  }
}

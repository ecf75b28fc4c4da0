import {
  partitionOf,
  StreamError,
  type LiveFeed,
  type PageBounds,
  type RebuildAnswer,
  type StreamStatus,
} from "@sluice/core";
import type { EdgeMetrics } from "../metrics.ts";
import type { EdgeSettings } from "../config.ts";
import type { ChunkPage } from "./chunk-page.ts";
import { OWN_READS, type PageReads, type ReadingClient } from "./page-reads.ts";
import { RebuildRequests } from "./rebuild-requests.ts";

/** Where a stream stands, without its chunks. */
export interface StreamState {
  head: number;
  hasEnded: boolean;
  status: StreamStatus;
}

// Without this bound a scan over random ids fills the heap with ids that don't exist.
const MAX_UNKNOWN_STREAMS = 10_000;

/** Page bounds for callers that need only head and status: no chunk is touched. */
export const HEAD_ONLY: PageBounds = { maxChunks: 0, maxBytes: 1 };

type StreamLookupSettings = Pick<
  EdgeSettings,
  "pageChunks" | "pageBytes" | "rebuildTimeoutMs" | "unknownTtlMs"
>;

/**
 * Asks cache and ingest for the edge, each question once however many readers have it.
 * Throws StreamError CACHE_UNAVAILABLE as the cache does.
 */
export class StreamLookup {
  readonly #reads: PageReads;
  readonly #partitions: number;
  readonly #settings: StreamLookupSettings;
  readonly #pageBounds: PageBounds;
  readonly #rebuilds: RebuildRequests;
  /** When each unknown stream may be asked for again, ms; in the order of asking. */
  readonly #unknownUntilMs = new Map<string, number>();

  constructor(options: {
    reads: PageReads;
    liveFeed: LiveFeed;
    partitions: number;
    settings: StreamLookupSettings;
    metrics: EdgeMetrics;
  }) {
    this.#reads = options.reads;
    this.#partitions = options.partitions;
    this.#settings = options.settings;
    this.#pageBounds = { maxChunks: options.settings.pageChunks, maxBytes: options.settings.pageBytes };
    this.#rebuilds = new RebuildRequests(
      options.liveFeed,
      options.settings.rebuildTimeoutMs,
      options.metrics,
    );
  }

  partitionOf(streamId: string): number {
    return partitionOf(streamId, this.#partitions);
  }

  /**
   * The page after a sequence, as the cache has it; null where it knows nothing of the stream.
   * Equal reads share one: a lost live message makes all readers of a stream ask at once, and those of a server that is
   * gone come to the next one together. Throws as PageReads does.
   */
  readPage(
    streamId: string,
    after: number,
    client: ReadingClient,
    bounds: PageBounds = this.#pageBounds,
  ): Promise<ChunkPage | null> {
    return this.#reads.read(streamId, after, bounds, client);
  }

  /**
   * The first page for a reader who has just come. Where the cache knows nothing, ingest is asked to look in the log:
   * the stream's creation may not have got to the cache yet, or the cache was flushed. Of a stream that it didn't know it
   * is asked again only after `unknownTtlMs`, or once something was heard of the stream; the cache is read each time.
   * @returns null: there is no such stream
   * @throws StreamError CONNECTION where ingest doesn't answer
   */
  async find(
    streamId: string,
    after: number,
    client: ReadingClient,
    bounds: PageBounds = this.#pageBounds,
  ): Promise<ChunkPage | null> {
    const isKnownUnknown = this.#isKnownUnknown(streamId);
    const page = await this.readPage(streamId, after, client, bounds);
    if (page !== null) {
      this.forgetUnknown(streamId);
      return page;
    }
    if (isKnownUnknown && this.#isKnownUnknown(streamId)) return null;
    const answer = await this.rebuild(streamId, client);
    if (answer === null) {
      throw new StreamError("CONNECTION", "whether this stream exists can't be told right now; try again");
    }
    if (answer.kind === "unknown") {
      this.#rememberUnknown(streamId);
      return null;
    }
    const rebuilt = await this.readPage(streamId, after, client, bounds);
    if (rebuilt === null)
      throw new StreamError("CACHE_UNAVAILABLE", "the stream could not be brought back; try again");
    return rebuilt;
  }

  /** The stream was heard of: ingest may be asked again at once. */
  forgetUnknown(streamId: string): void {
    this.#unknownUntilMs.delete(streamId);
  }

  /** Null where the cache knows nothing of the stream. */
  async readState(streamId: string): Promise<StreamState | null> {
    return this.readPage(streamId, Number.MAX_SAFE_INTEGER, OWN_READS, HEAD_ONLY);
  }

  /**
   * Asks ingest to bring the stream back from the log. One request a stream is on its way at a time, whoever asks
   * meanwhile gets its answer.
   * @returns null without an answer in time
   */
  rebuild(streamId: string, client: ReadingClient): Promise<RebuildAnswer | null> {
    return this.#rebuilds.ask(this.partitionOf(streamId), streamId, client);
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

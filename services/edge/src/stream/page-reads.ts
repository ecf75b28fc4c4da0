import { StreamError, type ChunkCache, type PageBounds } from "@sluice/core";
import type { EdgeMetrics } from "../metrics.ts";
import { ChunkPage } from "./chunk-page.ts";
import { FairQueue, type ByteBudget, type QueuedWork } from "./fair-queue.ts";

/** Client that waits for a read. */
export interface ReadingClient {
  address: string;
  /** Aborted: nobody waits any more. */
  signal: AbortSignal;
}

/** Client that stands for the pod itself. */
export const OWN_READS: ReadingClient = { address: "", signal: new AbortController().signal };

// What a read of head and status alone takes of the budget, about as much as its reply.
const HEAD_BYTES = 1024;

// Streams whose chunks are so large that two don't fit a page: of those one chunk is asked for at a time, since the cache
// would take the second one out in vain. Without this bound a scan over many such streams fills the heap with sizes.
const MAX_LARGE_STREAMS = 1_000;

const LOOK_INTERVAL_MS = 250;

interface Waiter {
  resolve: (page: ChunkPage | null) => void;
  reject: (error: unknown) => void;
  client: ReadingClient;
  onAbort: () => void;
}

interface PendingRead extends QueuedWork {
  readonly key: string;
  readonly after: number;
  readonly bounds: PageBounds;
  readonly waiters: Set<Waiter>;
  /** When it was handed to the cache, ms; null: it waits. */
  sentMs: number | null;
}

export interface PageReadsOptions {
  cache: Pick<ChunkCache, "readPage">;
  budget: ByteBudget;
  /** Most reads that wait. Half of them may be those of one address. */
  maxWaiting: number;
  /** Longest that a client waits for a read that was sent, or for any sign that reads succeed at all, ms. */
  timeoutMs: number;
  metrics: Pick<EdgeMetrics, "readsDropped" | "readsShared" | "readsFailed" | "cacheHits" | "cacheMisses">;
}

/**
 * All page reads of a pod, on their way to the cache: within a byte budget, in a fair order.
 *
 *   read ──▶ waiting ──turn, room──▶ in flight ──answer──▶ done
 *               └──▶ dropped, where all who wanted it have gone
 *
 * Equal reads that wait are one. A read that was sent is never shared with who comes later: its answer could be older
 * than that question. It keeps its share of the budget until the cache has answered it or given it up, also where
 * nobody waits any more: so what a slow cache has still to do for this pod stays bounded.
 */
export class PageReads {
  readonly #options: PageReadsOptions;
  readonly #queue: FairQueue<PendingRead>;
  readonly #waiting = new Map<string, PendingRead>();
  readonly #inFlight = new Set<PendingRead>();
  /** Mean size of the chunks of the last page, by stream. */
  readonly #largeChunks = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #isPumpDue = false;
  /** Time since which reads are wanted and none has succeeded, ms; null: the last one did. */
  #unansweredSinceMs: number | null = null;

  constructor(options: PageReadsOptions) {
    this.#options = options;
    this.#queue = new FairQueue(options.budget);
    this.#timer = setInterval(() => this.#giveUpLate(), LOOK_INTERVAL_MS);
    this.#timer.unref();
  }

  get counts(): { inFlight: number; inFlightBytes: number; waiting: number } {
    return {
      inFlight: this.#queue.inFlight,
      inFlightBytes: this.#queue.inFlightBytes,
      waiting: this.#queue.size,
    };
  }

  /** Duration for which reads have been wanted, ms, and none has succeeded; 0: the last one did. */
  get stalledMs(): number {
    return this.#unansweredSinceMs === null ? 0 : performance.now() - this.#unansweredSinceMs;
  }

  /**
   * Bounds as ChunkCache has them.
   * @throws StreamError CACHE_UNAVAILABLE as the cache does, and where it answers nobody; OVERLOADED where too many reads
   * wait; what the client's signal was aborted with, once it is
   */
  read(
    streamId: string,
    after: number,
    bounds: PageBounds,
    client: ReadingClient,
  ): Promise<ChunkPage | null> {
    if (client.signal.aborted) return Promise.reject(abortError());
    const key = `${after} ${bounds.maxChunks} ${bounds.maxBytes} ${streamId}`;
    const standing = this.#waiting.get(key);
    const { maxWaiting, metrics } = this.#options;
    if (standing !== undefined) metrics.readsShared.inc();
    else if (this.#queue.size >= maxWaiting || this.#queue.countOf(client.address) >= maxWaiting / 2)
      return Promise.reject(new StreamError("OVERLOADED", "too many reads wait here; try again"));
    const read = standing ?? this.#enqueue(key, streamId, after, bounds);
    this.#queue.add(read, client.address);
    this.#unansweredSinceMs ??= performance.now();
    this.#pumpSoon();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject, client, onAbort: () => this.#leave(read, waiter) };
      read.waiters.add(waiter);
      client.signal.addEventListener("abort", waiter.onAbort, { once: true });
    });
  }

  /** Fails all that waits. */
  close(): void {
    clearInterval(this.#timer);
    for (const read of this.#waiting.values()) {
      this.#queue.remove(read);
      this.#fail(
        read,
        new StreamError("CACHE_UNAVAILABLE", "could not read a page: this server is going away"),
      );
    }
    this.#waiting.clear();
  }

  #enqueue(key: string, streamId: string, after: number, bounds: PageBounds): PendingRead {
    const meanBytes = bounds.maxChunks === 0 ? 0 : (this.#largeChunks.get(streamId) ?? 0);
    const isLarge = 2 * meanBytes > bounds.maxBytes;
    const read: PendingRead = {
      key,
      streamId,
      after,
      bounds: isLarge ? { ...bounds, maxChunks: 1 } : bounds,
      bytes: bounds.maxChunks === 0 ? HEAD_BYTES : Math.max(bounds.maxBytes, meanBytes),
      waiters: new Set(),
      sentMs: null,
    };
    this.#waiting.set(key, read);
    return read;
  }

  /** Starts at the end of the event loop's turn: readers of a stream all ask in one when a live message got lost. */
  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    setImmediate(() => {
      this.#isPumpDue = false;
      for (let read = this.#queue.take(); read !== null; read = this.#queue.take()) void this.#send(read);
    });
  }

  async #send(read: PendingRead): Promise<void> {
    this.#waiting.delete(read.key);
    this.#inFlight.add(read);
    read.sentMs = performance.now();
    try {
      const page = await this.#readCache(read);
      this.#unansweredSinceMs = this.#inFlight.size > 1 || this.#waiting.size > 0 ? performance.now() : null;
      this.#rememberSize(read, page);
      this.#settle(read, (waiter) => waiter.resolve(page));
    } catch (error) {
      this.#options.metrics.readsFailed.inc();
      this.#fail(read, error);
    } finally {
      this.#inFlight.delete(read);
      this.#queue.done(read);
      this.#pumpSoon();
    }
  }

  /** One object for all who wait: its frames are made once. */
  async #readCache({ streamId, after, bounds }: PendingRead): Promise<ChunkPage | null> {
    const { cache, metrics } = this.#options;
    const page = await cache.readPage(streamId, after, bounds);
    const isHole = page !== null && page.head > after && page.chunks[0]?.sequence !== after + 1;
    if (page === null || (isHole && bounds.maxChunks > 0)) metrics.cacheMisses.inc();
    else metrics.cacheHits.inc();
    return page === null ? null : new ChunkPage(streamId, page);
  }

  #rememberSize(read: PendingRead, page: ChunkPage | null): void {
    if (read.bounds.maxChunks === 0 || page === null) return;
    this.#largeChunks.delete(read.streamId);
    const bytes = page.chunks.reduce((sum, { json }) => sum + json.byteLength, 0);
    if (2 * bytes <= read.bounds.maxBytes * page.chunks.length) return;
    const [oldest] = this.#largeChunks.keys();
    if (this.#largeChunks.size >= MAX_LARGE_STREAMS && oldest !== undefined) this.#largeChunks.delete(oldest);
    this.#largeChunks.set(read.streamId, bytes / page.chunks.length);
  }

  /** One of those who wait has gone. The last one takes the read along, unless it was sent. */
  #leave(read: PendingRead, waiter: Waiter): void {
    read.waiters.delete(waiter);
    waiter.reject(abortError());
    if (read.waiters.size > 0 || read.sentMs !== null) return;
    this.#waiting.delete(read.key);
    this.#queue.remove(read);
    this.#options.metrics.readsDropped.inc();
  }

  #giveUpLate(): void {
    const nowMs = performance.now();
    const { timeoutMs } = this.#options;
    const late = (): StreamError =>
      new StreamError("CACHE_UNAVAILABLE", `could not read a page: no answer within ${timeoutMs} ms`);
    for (const read of this.#inFlight)
      if (read.sentMs !== null && nowMs - read.sentMs > timeoutMs) this.#fail(read, late());
    if (this.stalledMs <= timeoutMs) return;
    for (const read of this.#waiting.values()) {
      this.#queue.remove(read);
      this.#fail(read, late());
    }
    this.#waiting.clear();
  }

  #fail(read: PendingRead, error: unknown): void {
    this.#settle(read, (waiter) => waiter.reject(error));
  }

  #settle(read: PendingRead, tell: (waiter: Waiter) => void): void {
    for (const waiter of read.waiters) {
      waiter.client.signal.removeEventListener("abort", waiter.onAbort);
      tell(waiter);
    }
    read.waiters.clear();
  }
}

function abortError(): StreamError {
  return new StreamError("CONNECTION", "nobody waits for the read any more");
}

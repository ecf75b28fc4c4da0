import {
  StreamError,
  type CancelAnswer,
  type CancelFeed,
  type CancelReason,
  type CancelRequest,
  type ChunkCache,
  type RebuildAnswer,
  type StreamStatus,
} from "@sluice/core";
import type { Logger } from "@sluice/runtime";
import type { EndOutcome, StreamEnder } from "./stream-ender.ts";

/** A producer on the same network answers within a millisecond; one that is this late is not there, or too busy to stop. */
const TELL_TIMEOUT_MS = 1_000;
/** Producers told at once: one that doesn't answer takes its whole time. */
const MAX_TOLD_AT_ONCE = 100;
// A few MB a partition. More are refused, and may be asked for again.
const MAX_STOPS = 10_000;

const WHY: Record<CancelReason, string> = {
  requested: "This stream was stopped on request.",
  abandoned: "This stream was stopped because nobody has read it for some time.",
};

interface Stop {
  reason: CancelReason;
  sinceMs: number;
  /** A producer has heard it, and is to end the stream itself. */
  wasHeard: boolean;
}

export interface CancellationsOptions {
  feed: Pick<CancelFeed, "tellProducer">;
  cache: Pick<ChunkCache, "requestCancel" | "readInfo">;
  rebuild: (streamId: string) => Promise<RebuildAnswer>;
  /** Ends a stream as soon as its turn comes; does nothing where that is under way. */
  end: (streamId: string, end: (ender: StreamEnder) => Promise<EndOutcome>) => void;
  /** How long a producer that has heard it may take. */
  graceMs: number;
  logger: Logger;
  /** Wall clock. */
  now: () => number;
}

/**
 * Stops streams of one partition: from the wish, which stands in the stream's record, to the end in the log.
 *
 *     wished ──told──▶ heard by a producer ──it ends the stream──▶ over
 *        │                     └──grace time is over──▶ ended here, whatever the producer writes
 *        └──nobody hears──▶ ended here, unless somebody writes in this very moment; then told again
 *
 * Told again with each tick until it is over: producers may come later, or again. A new owner finds the wish in the record,
 * and gives the producer its grace time anew.
 */
export class Cancellations {
  readonly #options: CancellationsOptions;
  readonly #stops = new Map<string, Stop>();
  readonly #toBeTold = new Set<string>();
  #told = 0;
  #isClosed = false;

  constructor(options: CancellationsOptions) {
    this.#options = options;
  }

  /** @throws StreamError where the wish can't be recorded now: nothing has come of it */
  async request(streamId: string, reason: CancelReason): Promise<CancelAnswer> {
    if (this.#stops.size >= MAX_STOPS && !this.#stops.has(streamId))
      throw new StreamError("OVERLOADED", "too many streams are being stopped; try again");
    const wish: CancelRequest = { requestedMs: this.#options.now(), reason };
    const { cache } = this.#options;
    const status = (await cache.requestCancel(streamId, wish)) ?? (await this.#bringBack(streamId, wish));
    if (status === null) return { kind: "unknown" };
    if (status !== "open") return { kind: "ended", status };
    this.takeUp(streamId, reason);
    return { kind: "asked" };
  }

  /** The wish stands in the record of an open stream. */
  takeUp(streamId: string, reason: CancelReason): void {
    if (this.#stops.has(streamId) || this.#stops.size >= MAX_STOPS) return;
    this.#stops.set(streamId, { reason, sinceMs: performance.now(), wasHeard: false });
    this.#toBeTold.add(streamId);
    this.#tellOn();
  }

  /** The stream is over. */
  forget(streamId: string): void {
    this.#stops.delete(streamId);
    this.#toBeTold.delete(streamId);
  }

  tick(): void {
    for (const streamId of this.#stops.keys()) this.#toBeTold.add(streamId);
    this.#tellOn();
  }

  close(): void {
    this.#isClosed = true;
    this.#toBeTold.clear();
  }

  /** Only the log knows it, or nobody. */
  async #bringBack(streamId: string, wish: CancelRequest): Promise<StreamStatus | null> {
    const { cache, rebuild } = this.#options;
    if ((await rebuild(streamId)).kind === "unknown") return null;
    const status = await cache.requestCancel(streamId, wish);
    if (status === null) throw new StreamError("CACHE_UNAVAILABLE", "the cache lost the stream again");
    return status;
  }

  #tellOn(): void {
    for (const streamId of this.#toBeTold) {
      if (this.#told >= MAX_TOLD_AT_ONCE || this.#isClosed) return;
      this.#toBeTold.delete(streamId);
      const stop = this.#stops.get(streamId);
      if (stop !== undefined) void this.#tell(streamId, stop);
    }
  }

  async #tell(streamId: string, stop: Stop): Promise<void> {
    const { feed, graceMs, end, logger } = this.#options;
    this.#told++;
    try {
      if (await feed.tellProducer(streamId, stop.reason, TELL_TIMEOUT_MS)) stop.wasHeard = true;
      if (this.#isClosed || this.#stops.get(streamId) !== stop) return;
      const isOverdue = performance.now() - stop.sinceMs >= graceMs;
      if (!stop.wasHeard || isOverdue) end(streamId, (ender) => this.#end(ender, streamId, stop, isOverdue));
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      logger.warn({ err: error, streamId }, "producer can't be told to stop now");
    } finally {
      this.#told--;
      this.#tellOn();
    }
  }

  async #end(ender: StreamEnder, streamId: string, stop: Stop, isOverdue: boolean): Promise<EndOutcome> {
    const end = { code: "CANCELLED", error: WHY[stop.reason] } as const;
    const outcome = isOverdue
      ? await ender.endWriting(streamId, end)
      : await ender.endSilent(streamId, end, () => true);
    if (outcome === "unlisted" && (await this.#isOver(streamId))) this.forget(streamId);
    return outcome;
  }

  /** Returns whether the stream is over, or its record lost: a stream that the log brings back is ended with the next tick. */
  async #isOver(streamId: string): Promise<boolean> {
    const { cache, rebuild } = this.#options;
    const info = await cache.readInfo(streamId);
    if (info !== null) return info.head.status !== "open";
    const answer = await rebuild(streamId);
    return answer.kind === "unknown" || answer.status !== "open";
  }
}

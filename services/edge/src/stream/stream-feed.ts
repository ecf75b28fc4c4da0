import type { LiveRange, Phase, Subscription } from "@sluice/core";
import { OWN_READS } from "./page-reads.ts";
import type { EdgeContext } from "./context.ts";

// One live range in so many has its age measured: enough for a histogram, too few to cost anything.
const LAG_SAMPLE_EVERY = 16;

/** Listener that wants to know how a stream goes on. */
export interface FeedListener {
  /** `waiting`: not a reader, only waits for the stream to go on. */
  readonly phase: Phase | "waiting";
  onLive(range: LiveRange): void;
  /** Hears that the producer lives. @param frame shared with all listeners, without an id */
  onHeartbeat(frame: Uint8Array): void;
  /** The stream has come to `head`, whether or not the live feed said so. */
  catchUp(head: number): void;
  /** The stream can't be followed here any more. */
  disconnect(): void;
}

export interface StreamFeedOptions {
  /** Asks the partition's owner whether what it publishes from now on arrives here. */
  readonly barrier: () => Promise<boolean>;
  /** Called with each sign of a stream that isn't known. */
  readonly onSign: () => void;
}

/**
 * One stream as this pod follows it: a single live subscription, handed on to every listener.
 *
 * Invariant: a subscriber in phase `live` has everything up to `newestLive`. So whether a head that somebody
 * announces was missed is one comparison, however many subscribers there are.
 */
export class StreamFeed {
  readonly streamId: string;
  readonly partition: number;
  readonly listeners = new Set<FeedListener>();
  readonly #context: EdgeContext;
  readonly #barrier: () => Promise<boolean>;
  readonly #subscription: Subscription;
  #newestLive = 0;
  #announcedHead = 0;
  #rangeCount = 0;
  /** The owner's node knows of our subscription: what it publishes arrives. */
  #isConfirmed = false;
  #connectionCount = 0;
  #confirmation: Promise<void> | null = null;
  #recheckTimer: NodeJS.Timeout | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** The stream exists, or did. A feed of a stream that doesn't isn't kept. */
  isKnown = false;
  readonly #onSign: () => void;

  constructor(streamId: string, partition: number, context: EdgeContext, options: StreamFeedOptions) {
    this.#onSign = options.onSign;
    this.streamId = streamId;
    this.partition = partition;
    this.#context = context;
    this.#barrier = options.barrier;
    this.#subscription = context.liveFeed.subscribeRanges(
      streamId,
      (range) => this.#dispatch(range),
      (frame) => {
        if (!this.isKnown) this.#onSign();
        for (const listener of this.listeners) listener.onHeartbeat(frame);
      },
    );
  }

  /**
   * Resolves when a page read from now on and the live feed leave no hole between them; at once where that is known.
   * Without an answer of the owner it resolves all the same, and the head is looked at again a little later.
   */
  confirmed(): Promise<void> {
    if (this.#isConfirmed || this.#isClosed) return Promise.resolve();
    this.#confirmation ??= this.#runBarrier().finally(() => {
      this.#confirmation = null;
    });
    return this.#confirmation;
  }

  /** The connection to NATS was away: what was published meanwhile is lost, and nobody may know of us. */
  mistrust(): void {
    this.#isConfirmed = false;
    this.#connectionCount++;
  }

  /** Someone who knows says that the stream has come this far. Whoever isn't there in a little while reads on. */
  onAnnouncedHead(head: number): void {
    if (head <= this.#newestLive || head <= this.#announcedHead || this.#isClosed) return;
    this.#announcedHead = head;
    this.#graceTimer ??= setTimeout(() => {
      this.#graceTimer = undefined;
      this.#catchUp(this.#announcedHead);
    }, this.#context.settings.tailGraceMs);
  }

  /**
   * Compares with what the cache has. Throws StreamError CACHE_UNAVAILABLE.
   * A stream that nobody knows any more ends for its readers: they come again, and are told. Who waits for a stream that
   * nobody knows yet goes on waiting.
   */
  async checkHead(): Promise<void> {
    await this.confirmed();
    if (this.#isClosed || this.listeners.size === 0) return;
    const { lookup, metrics } = this.#context;
    metrics.headChecks.inc();
    const state = await lookup.readState(this.streamId);
    if (state === null) {
      const answer = await lookup.rebuild(this.streamId, OWN_READS);
      if (answer?.kind === "restored") this.#catchUp(answer.head);
      if (answer?.kind === "unknown" && this.isKnown)
        for (const listener of this.listeners) listener.disconnect();
      return;
    }
    this.#catchUp(state.hasEnded ? Infinity : state.head);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#subscription.close();
    clearTimeout(this.#recheckTimer);
    clearTimeout(this.#graceTimer);
  }

  #dispatch(range: LiveRange): void {
    if (!this.isKnown) this.#onSign();
    if (range.last > this.#newestLive) this.#newestLive = range.last;
    for (const listener of this.listeners) listener.onLive(range);
    if (this.#rangeCount++ % LAG_SAMPLE_EVERY === 0) this.#measureLag(range);
  }

  #catchUp(head: number): void {
    if (this.#isClosed) return;
    for (const listener of this.listeners) listener.catchUp(head);
  }

  async #runBarrier(): Promise<void> {
    const { settings, logger } = this.#context;
    const connection = this.#connectionCount;
    const isAnswered = await this.#barrier();
    this.#isConfirmed = isAnswered && connection === this.#connectionCount;
    if (this.#isConfirmed || this.#isClosed || this.#recheckTimer !== undefined) return;
    this.#recheckTimer = setTimeout(() => {
      this.#recheckTimer = undefined;
      this.#recheck().catch((error: unknown) => {
        logger.debug({ err: error, streamId: this.streamId }, "could not look at a head again");
      });
    }, settings.recheckDelayMs);
  }

  /** Looks at the head once: after this time every node has heard of our subscription. */
  async #recheck(): Promise<void> {
    const state = await this.#context.lookup.readState(this.streamId);
    if (state !== null) this.#catchUp(state.hasEnded ? Infinity : state.head);
  }

  #measureLag(range: LiveRange): void {
    const timestampMs = range.frames === null ? null : trailingTimestamp(range.frames);
    if (timestampMs !== null)
      this.#context.metrics.liveLagSeconds.observe(Math.max(0, Date.now() - timestampMs) / 1000);
  }
}

const LAST_FIELD = '"timestamp":';

/** The last chunk's timestamp, from where our encoder always puts it; null if it isn't there. */
function trailingTimestamp(frames: Uint8Array): number | null {
  const tail = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength)
    .subarray(-64)
    .toString("latin1");
  const at = tail.lastIndexOf(LAST_FIELD);
  const value = at < 0 ? Number.NaN : Number.parseInt(tail.slice(at + LAST_FIELD.length), 10);
  return Number.isNaN(value) ? null : value;
}

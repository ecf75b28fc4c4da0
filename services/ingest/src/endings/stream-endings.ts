import {
  Mutex,
  StreamError,
  type AppliedEntry,
  type CancelAnswer,
  type CancelFeed,
  type ChunkCache,
  type LiveFeed,
  type LogEntry,
  type ListedStream,
  type ReaderPresence,
  type RebuildAnswer,
  type StreamInfo,
  type Subscription,
} from "@sluice/core";
import { abandonLimitMsOfOptions } from "@sluice/protocol";
import type { Logger } from "@sluice/runtime";
import { AbandonedStreams } from "./abandoned-streams.ts";
import { ProducerWatch } from "./producer-watch.ts";
import type { IngestSettings } from "../config.ts";
import type { EndOutcome, StreamEnder } from "./stream-ender.ts";
import { exceededLimit, type StreamLimits } from "./stream-limits.ts";
import { Cancellations } from "./cancellations.ts";

const MAX_TICK_MS = 1_000;
const MAX_SWEEP_INTERVAL_MS = 30_000;
/** Open streams read at a time: bounds the memory of a sweep, however many there are. */
const PAGE_SIZE = 500;
/** A partition that is further behind than this doesn't know what producers did lately. */
const CAUGHT_UP_MS = 2_000;
/** Ticks that may be missed before the silence counts as our own: a process that was stopped heard nobody. */
const MAX_TICKS_LATE = 2;

export interface StreamEndingsOptions {
  partition: number;
  cache: Pick<ChunkCache, "readInfo" | "readOpenStreams" | "forgetOpenStream" | "requestCancel">;
  liveFeed: Pick<LiveFeed, "onReconnect" | "isConnected">;
  cancelFeed: Pick<CancelFeed, "tellProducer">;
  readerPresence: Pick<ReaderPresence, "countReaders">;
  ender: StreamEnder;
  settings: Pick<
    IngestSettings,
    | "idleLimitSeconds"
    | "producerTimeoutMs"
    | "cancelGraceMs"
    | "maxStreamChunks"
    | "maxStreamBytes"
    | "maxStreamAgeSeconds"
  >;
  rebuild: (streamId: string) => Promise<RebuildAnswer>;
  /** How far the partition is behind the log, ms. */
  lagMs: () => number;
  logger: Logger;
  /** Wall clock, to be compared with the log's. */
  now: () => number;
}

/**
 * Sees to it that the streams of one partition end, while this ingester owns it: those that go past a limit, those
 * whose producer has died, those that nobody writes any more, and those that are to be stopped, be it for want of readers.
 *
 * Each end goes through the log, where it competes with what the producer writes; until it has come back from there
 * the stream is open. So two owners that don't know of each other do no harm.
 *
 * Longer than 300 lines: all ways in which a stream ends compete for one turn, and loading, sweeping and closing share its state.
 */
export class StreamEndings {
  readonly #options: StreamEndingsOptions;
  readonly #limits: StreamLimits;
  readonly #watch: ProducerWatch;
  readonly #stops: Cancellations;
  readonly #abandoned: AbandonedStreams;
  readonly #tickMs: number;
  readonly #sweepIntervalMs: number;
  /** Ends, one at a time. Nothing else waits here: to bring back what a flush took can take minutes. */
  readonly #turn = new Mutex();
  /** Streams whose end waits, is under way, or is in the log and not applied yet: each is ended once. */
  readonly #ending = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #onReconnect: Subscription | undefined;
  #tickedMs = 0;
  #sweptMs = -Infinity;
  #isLoading = false;
  #isLoaded = false;
  #isSweeping = false;
  #isClosed = false;

  constructor(options: StreamEndingsOptions) {
    const { settings, cache, rebuild, logger, now } = options;
    this.#options = options;
    this.#limits = {
      maxChunks: settings.maxStreamChunks,
      maxBytes: settings.maxStreamBytes,
      maxAgeMs: settings.maxStreamAgeSeconds * 1000,
    };
    this.#watch = new ProducerWatch(settings.producerTimeoutMs);
    this.#stops = new Cancellations({
      feed: options.cancelFeed,
      cache,
      rebuild,
      end: (streamId, end) => this.#end(streamId, end),
      graceMs: settings.cancelGraceMs,
      logger,
      now,
    });
    this.#abandoned = new AbandonedStreams({
      presence: options.readerPresence,
      abandon: (streamId) => this.#stops.request(streamId, "abandoned"),
      logger,
    });
    this.#tickMs = Math.min(MAX_TICK_MS, settings.producerTimeoutMs / 5);
    this.#sweepIntervalMs = Math.min(MAX_SWEEP_INTERVAL_MS, settings.idleLimitSeconds * 200);
  }

  start(): void {
    if (this.#isClosed) return;
    this.#tickedMs = performance.now();
    this.#onReconnect = this.#options.liveFeed.onReconnect(() => this.#startAnew(performance.now()));
    this.#timer = setInterval(() => this.#tick(), this.#tickMs);
  }

  /**
   * Takes note of a written batch; costs no wait. Duplicates count: after a rebuild, or where another owner
   * was faster, they are all that this one hears of a stream.
   */
  applied(batch: readonly { entry: LogEntry; outcome: AppliedEntry }[]): void {
    const nowMs = performance.now();
    for (const { entry, outcome } of batch) this.#appliedOne(entry, outcome, nowMs);
  }

  hearBeat(streamId: string, brokerSequence: number | null): void {
    this.#watch.heard(streamId, brokerSequence, performance.now());
  }

  /** Somebody wants it stopped. @throws StreamError where that can't be recorded now: ask again */
  requestCancel(streamId: string): Promise<CancelAnswer> {
    return this.#stops.request(streamId, "requested");
  }

  /** Looks after a stream that came from elsewhere than the appends: all that is to be known of it is in its record. */
  async takeUp(streamId: string): Promise<void> {
    const info = await this.#options.cache.readInfo(streamId);
    if (info !== null && info.head.status === "open") this.#takeUp(info, performance.now());
  }

  /** Ends nothing more; resolves when the end under way is settled. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#onReconnect?.close();
    this.#stops.close();
    await this.#turn.run(() => Promise.resolve());
  }

  #appliedOne(entry: LogEntry, outcome: AppliedEntry, nowMs: number): void {
    const { streamId, brokerSequence, beatIntervalMs, options } = entry;
    if (outcome.status !== "open") {
      this.#watch.forget(streamId);
      this.#abandoned.forget(streamId);
      this.#stops.forget(streamId);
      this.#ending.delete(streamId);
      return;
    }
    if (options !== null) this.#watchReaders(streamId, options, nowMs);
    if (beatIntervalMs === null) this.#watch.forget(streamId);
    else this.#watch.watch(streamId, beatIntervalMs, brokerSequence, nowMs);

    // What was applied before may be told after its record was lost: without totals.
    if (outcome.createdMs === 0) return;
    const error = exceededLimit(outcome, entry.timestampMs, this.#limits);
    if (error === null) return;
    const head = { sequence: outcome.first + outcome.count - 1, brokerSequence };
    this.#end(streamId, (ender) => ender.endRunning(streamId, { code: "STREAM_LIMIT", error }, head));
  }

  #tick(): void {
    const { liveFeed, lagMs } = this.#options;
    const nowMs = performance.now();
    const wasStopped = nowMs - this.#tickedMs > (1 + MAX_TICKS_LATE) * this.#tickMs;
    this.#tickedMs = nowMs;
    if (!this.#isLoaded && !this.#isLoading) this.#load();
    const isConnected = liveFeed.isConnected();
    if (isConnected) this.#stops.tick();
    if (wasStopped || !isConnected) this.#startAnew(nowMs);
    else {
      void this.#abandoned.look(nowMs);
      if (lagMs() > CAUGHT_UP_MS) this.#watch.startAnew(nowMs);
      else for (const streamId of this.#watch.takeSilent(nowMs)) this.#endLost(streamId, nowMs);
    }

    if (nowMs - this.#sweptMs < this.#sweepIntervalMs || this.#isSweeping) return;
    this.#sweptMs = nowMs;
    this.#sweep();
  }

  /** A new owner has heard nobody yet: the record of each stream says what there is to be listened for. */
  #load(): void {
    this.#isLoading = true;
    void this.#try(async () => {
      try {
        for await (const page of this.#openStreams()) {
          const { cache } = this.#options;
          const infos = await Promise.all(page.map(({ streamId }) => cache.readInfo(streamId)));
          for (const [index, { streamId }] of page.entries()) {
            // One by one: readers' streams are to be brought back, too.
            const info = infos[index] ?? (await this.#broughtBack(streamId));
            if (this.#isClosed) return;
            if (info !== null && info.head.status === "open") this.#takeUp(info, performance.now());
          }
        }
        this.#isLoaded = true;
      } finally {
        this.#isLoading = false;
      }
    });
  }

  #takeUp({ streamId, head, beatIntervalMs, options, cancelRequest }: StreamInfo, nowMs: number): void {
    if (beatIntervalMs !== null && !this.#watch.has(streamId))
      this.#watch.watch(streamId, beatIntervalMs, head.brokerSequence, nowMs);
    if (options !== null) this.#watchReaders(streamId, options, nowMs);
    if (cancelRequest !== null) this.#stops.takeUp(streamId, cancelRequest.reason);
  }

  #watchReaders(streamId: string, options: string, nowMs: number): void {
    const limitMs = abandonLimitMsOfOptions(options);
    if (limitMs !== null) this.#abandoned.watch(streamId, limitMs, nowMs);
  }

  /** Forgets all silences and absences: producers and readers may have been there unheard and unseen. */
  #startAnew(nowMs: number): void {
    this.#watch.startAnew(nowMs);
    this.#abandoned.startAnew(nowMs);
  }

  /** The record of a stream that a flush has taken it from, as the log tells it. */
  async #broughtBack(streamId: string): Promise<StreamInfo | null> {
    await this.#options.rebuild(streamId);
    return this.#options.cache.readInfo(streamId);
  }

  /** @param toldMs when it was found to be silent: its turn may come much later */
  #endLost(streamId: string, toldMs: number): void {
    const error = "The producer of this stream has been silent for too long.";
    this.#end(streamId, async (ender) => {
      if ((await this.#options.cache.readInfo(streamId)) === null) await this.#broughtBack(streamId);
      let beats = false;
      const outcome = await ender.endSilent(streamId, { code: "PRODUCER_LOST", error }, (info) => {
        beats = info.beatIntervalMs !== null;
        return beats && this.#watch.isSilentSince(streamId, toldMs);
      });
      if (!beats) this.#watch.forget(streamId);
      return outcome;
    });
  }

  /** Ends what has been silent in the log for longer than the idle limit. Beats don't count: see `isBeginning`. */
  #sweep(): void {
    const { settings, now } = this.#options;
    this.#isSweeping = true;
    const idleSinceMs = now() - settings.idleLimitSeconds * 1000;
    void this.#try(async () => {
      try {
        for await (const page of this.#openStreams()) {
          for (const { streamId, updatedMs } of page) {
            if (updatedMs > idleSinceMs || this.#isClosed) return;
            await this.#endIdle(streamId, idleSinceMs);
          }
        }
      } finally {
        this.#isSweeping = false;
      }
    });
  }

  async #endIdle(streamId: string, idleSinceMs: number): Promise<void> {
    const { cache, rebuild, settings } = this.#options;
    const error = `Nothing was written to this stream for ${settings.idleLimitSeconds} seconds.`;
    const end = { code: "IDLE_TIMEOUT", error } as const;
    const outcome = await this.#inTurn((ender) =>
      ender.endSilent(streamId, end, (info) => info.updatedMs <= idleSinceMs),
    );
    if (outcome !== "unlisted") return;
    // Its record is lost. What the log brings back is ended in the next round; of what it doesn't know nothing is left.
    await rebuild(streamId);
    await cache.forgetOpenStream(streamId);
  }

  #end(streamId: string, end: (ender: StreamEnder) => Promise<EndOutcome>): void {
    if (this.#ending.has(streamId)) return;
    this.#ending.add(streamId);
    void this.#try(async () => {
      let outcome: EndOutcome = "overtaken";
      try {
        outcome = await this.#inTurn(end);
      } finally {
        if (outcome !== "ended") this.#ending.delete(streamId);
      }
    });
  }

  /** Once closed, ends are the next owner's. */
  #inTurn(end: (ender: StreamEnder) => Promise<EndOutcome>): Promise<EndOutcome> {
    return this.#turn.run(async () => (this.#isClosed ? "overtaken" : end(this.#options.ender)));
  }

  /** Where log or cache are away, the next tick, message or round tries again. */
  async #try(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#options.logger.warn({ err: error }, "streams can't be ended now");
    }
  }

  async *#openStreams(): AsyncGenerator<readonly ListedStream[]> {
    const { cache, partition } = this.#options;
    let after: ListedStream | null = null;
    do {
      const page: readonly ListedStream[] = await cache.readOpenStreams(partition, after, PAGE_SIZE);
      yield page;
      after = page.length < PAGE_SIZE ? null : (page.at(-1) ?? null);
    } while (after !== null && !this.#isClosed);
  }
}

import {
  backOffMs,
  Mutex,
  StreamError,
  type AppendBatch,
  type CancelFeed,
  type Checkpoint,
  type ChunkCache,
  type Divergence,
  type LiveFeed,
  type PartitionLog,
  type PartitionReader,
  type ReaderPresence,
  type RebuildAnswer,
  type ReceiptFeed,
  type StoredMessage,
  type StreamLog,
  type Subscription,
} from "@sluice/core";
import type { Logger } from "@sluice/runtime";
import { setTimeout as delay } from "node:timers/promises";
import { announceBatch } from "./announce-batch.ts";
import { appliedMessages, batchesOf, type DecodedMessage } from "./batches.ts";
import { PartitionAddress } from "./partition-address.ts";
import type { IngestMetrics, PartitionLag } from "../metrics.ts";
import { RebuildGate } from "../rebuild/rebuild-gate.ts";
import { settlePosition, type LogState } from "./resume-position.ts";
import { tellReceipts } from "./receipts.ts";
import { Rebuilder } from "../rebuild/rebuilder.ts";
import { rejectElements } from "./rejections.ts";
import type { IngestSettings } from "../config.ts";
import type { SharedCall } from "./shared-call.ts";
import type { StreamEnder } from "../endings/stream-ender.ts";
import { StreamEndings } from "../endings/stream-endings.ts";
import { TailAnnouncer } from "./tail-announcer.ts";

export interface PartitionOwnerOptions {
  log: PartitionLog;
  /** The same log, by stream. */
  streamLog: Pick<StreamLog, "lastMessage">;
  cache: ChunkCache;
  liveFeed: LiveFeed;
  cancelFeed: Pick<CancelFeed, "answerCancels" | "tellProducer">;
  readerPresence: Pick<ReaderPresence, "countReaders">;
  logState: SharedCall<LogState>;
  receiptFeed: ReceiptFeed;
  rebuilds: RebuildGate;
  ender: StreamEnder;
  settings: IngestSettings;
  metrics: IngestMetrics;
  logger: Logger;
}

// While Redis or NATS are away. Short at most: the partition's readers wait for it.
const BACK_OFF = { baseMs: 50, maxMs: 300, jitter: 0.5 };

// Each is a read of the log's leader and one of Redis, for ids that anybody can make up: without this bound a flood of them
// is what both are busy with.
const MAX_CONCURRENT_LOOKUPS = 16;

/**
 * One partition while this ingester owns it: reads the log in order from the checkpoint, takes all that arrived while
 * the last write was in flight as one batch, writes it with one call, and only then tells the readers.
 *
 * Owning is an economy, not a lock. A former owner that doesn't know yet does no harm: what it appends either
 * continues the record or is skipped.
 *
 * Longer than 300 lines: position, doubt and the turn of the partition belong to one loop; parts of it would share all of its state.
 */
export class PartitionOwner {
  readonly partition: number;
  readonly #options: PartitionOwnerOptions;
  readonly #logger: Logger;
  readonly #address: PartitionAddress;
  readonly #rebuilder: Rebuilder;
  readonly #tail: TailAnnouncer;
  readonly #endings: StreamEndings;
  /** Looks whether anything is known of a stream that somebody asks for. */
  readonly #lookups = new RebuildGate<boolean>(MAX_CONCURRENT_LOOKUPS);
  #lookupCount = 0;
  /** Appends and completions of rebuilds, one at a time. */
  readonly #turn = new Mutex();
  readonly #closing = new AbortController();
  #subscriptions: Subscription[] = [];
  #reader: PartitionReader | null = null;
  /** The batch that is being written. */
  #applying: readonly StoredMessage[] = [];
  /** Everything of the partition up to this broker sequence was read without a hole and applied. */
  #position: Checkpoint = { brokerSequence: 0, timestampMs: 0, logCreatedMs: 0 };
  #divergences: readonly Divergence[] = [];
  /** Set when cache or log may have fallen back: the position has to be settled anew. */
  #isInDoubt = false;
  #running: Promise<void> | null = null;

  constructor(partition: number, options: PartitionOwnerOptions) {
    const { log, liveFeed, settings, logger } = options;
    this.partition = partition;
    this.#options = options;
    this.#logger = logger.child({ partition });
    this.#address = new PartitionAddress(partition, log.partitions);
    this.#tail = new TailAnnouncer(partition, liveFeed);
    this.#rebuilder = new Rebuilder({
      ...options,
      partition,
      maxChunkBytes: settings.maxChunkBytes,
      chunkTtlSeconds: settings.chunkTtlSeconds,
      idleLimitMs: settings.idleLimitSeconds * 1000,
      now: Date.now,
    });
    this.#endings = new StreamEndings({
      ...options,
      partition,
      rebuild: (streamId) => this.#rebuildOnRequest(streamId),
      lagMs: () => this.lag.ms,
      logger: this.#logger,
      now: Date.now,
    });
  }

  /** How far the cache is behind the log, as far as the log has said. */
  get lag(): Omit<PartitionLag, "partition"> {
    const backlog = this.#reader?.backlog ?? Infinity;
    const [oldest] = this.#applying;
    const messages = backlog + this.#applying.length;
    if (oldest !== undefined) return { messages, ms: Math.max(0, Date.now() - oldest.timestampMs) };
    if (backlog === 0 || backlog === Infinity) return { messages, ms: backlog };
    return { messages, ms: Math.max(0, Date.now() - this.#position.timestampMs) };
  }

  /** Broker sequence up to which everything is in the cache. */
  get position(): number {
    return this.#position.brokerSequence;
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      if (this.#isClosing) return;
      // Expected failures were retried: this is a broken invariant, and going on could hide it.
      this.#logger.fatal({ err: error }, "partition stopped");
      throw error;
    });
  }

  /** A producer lives. */
  hearBeat(streamId: string, brokerSequence: number | null): void {
    if (this.#address.has(streamId)) this.#endings.hearBeat(streamId, brokerSequence);
  }

  /** Stops after the batch under way. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const subscription of this.#subscriptions) subscription.close();
    this.#tail.close();
    await this.#reader?.close();
    await Promise.all([this.#running, this.#endings.close()]);
  }

  /**
   * Compares the checkpoint that a lease renewal read with the position before it asked. A lower checkpoint means that
   * the cache has fallen back; an idle partition would not notice otherwise.
   */
  observeCheckpoint(checkpoint: Checkpoint | null, positionBefore: number): void {
    if (checkpoint !== null && checkpoint.brokerSequence >= positionBefore) return;
    this.#doubt();
  }

  get #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  async #run(): Promise<void> {
    const { cache, liveFeed, cancelFeed, receiptFeed } = this.#options;
    this.#position = await this.#settle();
    if (this.#isClosing) return;
    this.#subscriptions = [
      liveFeed.answerBarriers(this.partition),
      // Whatever the connection was lost to may have put an older log in the place of ours.
      liveFeed.onReconnect(() => this.#doubt()),
      liveFeed.answerRebuilds(this.partition, (streamId) => this.#rebuildOnRequest(streamId)),
      cancelFeed.answerCancels(this.partition, async (streamId) => {
        this.#address.assertHas(streamId);
        return this.#endings.requestCancel(streamId);
      }),
      receiptFeed.answerHeads(this.partition, async (streamId) => {
        this.#address.assertHas(streamId);
        return (await cache.readInfo(streamId))?.head ?? null;
      }),
    ];
    this.#tail.start(() => this.position);
    this.#endings.start();
    while (!this.#isClosing) {
      if (this.#isInDoubt) await this.#rewind();
      await this.#readFromPosition();
    }
  }

  async #settle(): Promise<Checkpoint> {
    const settled = await this.#retrying(() => settlePosition(this.partition, this.#options));
    this.#divergences = settled.divergences;
    return settled.position;
  }

  #doubt(): void {
    this.#isInDoubt = true;
    void this.#reader?.close();
  }

  async #rewind(): Promise<void> {
    this.#isInDoubt = false;
    const before = this.position;
    this.#position = await this.#settle();
    if (this.position >= before) return;
    this.#options.metrics.rewinds.inc();
    this.#logger.warn({ before, position: this.position }, "cache fell back, reading again");
  }

  /** Reads until closed, or until the position has to be set anew. */
  async #readFromPosition(): Promise<void> {
    const { log, settings } = this.#options;
    const reader = await this.#retrying(() =>
      log.read(this.partition, this.position, {
        maxPendingMessages: settings.maxPendingMessages,
        maxPendingBytes: settings.maxPendingBytes,
      }),
    );
    this.#reader = reader;
    try {
      for (;;) {
        if (this.#isClosing || this.#isInDoubt) return;
        const taken = await reader.next(settings.maxBatchMessages);
        if (taken === null) return;
        const messages = this.#addressed(taken);
        this.#applying = messages;
        for (const batch of batchesOf(messages, settings.maxChunkBytes)) {
          if (this.#isClosing || this.#isInDoubt) return;
          await this.#turn.run(() => this.#apply(batch));
        }
        this.#applying = [];
      }
    } finally {
      this.#reader = null;
      this.#applying = [];
      await reader.close();
    }
  }

  /** Drops messages whose subject names no stream of this partition: nobody can read them, so they take no number. */
  #addressed(messages: readonly StoredMessage[]): readonly StoredMessage[] {
    const addressed = messages.filter(({ streamId }) => this.#address.has(streamId));
    const dropped = messages.length - addressed.length;
    if (dropped > 0) {
      this.#options.metrics.rejected.inc(dropped);
      this.#logger.warn({ dropped }, "messages dropped: their subject names no stream of this partition");
    }
    return addressed;
  }

  async #apply(decoded: readonly DecodedMessage[]): Promise<void> {
    const { cache, liveFeed, log, metrics, receiptFeed } = this.#options;
    const lastMessage = decoded.at(-1)?.message;
    if (lastMessage === undefined) return;
    await rejectElements(log, decoded, metrics, this.#logger);

    const batch: AppendBatch = {
      partition: this.partition,
      readAfter: this.position,
      checkpoint: {
        brokerSequence: lastMessage.brokerSequence,
        timestampMs: lastMessage.timestampMs,
        logCreatedMs: this.#position.logCreatedMs,
      },
      entries: decoded.map(({ entry }) => entry),
      divergences: this.#divergences,
    };
    for (;;) {
      const startedMs = performance.now();
      const outcome = await this.#retrying(() => cache.append(batch));
      metrics.appendSeconds.observe((performance.now() - startedMs) / 1000);
      if (outcome.kind === "rewind") {
        this.#isInDoubt = true;
        return;
      }
      if (outcome.kind === "unproven") {
        for (const streamId of outcome.streamIds) {
          if ((await this.#rebuildWithinTurn(streamId)).kind === "restored") continue;
          // Its messages have left the log while they waited here: what is there now has to be read anew.
          this.#isInDoubt = true;
          return;
        }
        continue;
      }
      this.#position = batch.checkpoint;
      const applied = appliedMessages(decoded, outcome.entries);
      announceBatch(applied, { liveFeed, tail: this.#tail, metrics });
      tellReceipts(receiptFeed, applied);
      this.#endings.applied(applied);
      return;
    }
  }

  /** An append found a stream that nothing proves: only the log before it can tell, and only as far as we had read. */
  async #rebuildWithinTurn(streamId: string): Promise<RebuildAnswer> {
    this.#options.metrics.rebuilds.inc({ cause: "append" });
    return this.#retrying(() =>
      this.#rebuilder.rebuild(streamId, this.#divergences, (task) => task(this.position)),
    );
  }

  async #rebuildOnRequest(streamId: string): Promise<RebuildAnswer> {
    const { cache, rebuilds, streamLog } = this.#options;
    this.#address.assertHas(streamId);
    // Before the queue: ids that nobody knows, a scan's or a typo's, must not hold up streams that are to be brought back.
    // Each asks for itself: the answer to an earlier question may be older than the stream.
    const isKnown = await this.#lookups.run(
      `${streamId} ${++this.#lookupCount}`,
      async () => ((await streamLog.lastMessage(streamId)) ?? (await cache.readInfo(streamId))) !== null,
    );
    if (!isKnown) return { kind: "unknown" };
    return rebuilds.run(streamId, async (isWanted) => {
      this.#options.metrics.rebuilds.inc({ cause: "request" });
      const answer = await this.#rebuilder.rebuild(
        streamId,
        this.#divergences,
        (task) => this.#turn.run(() => task(this.position)),
        isWanted,
      );
      // Nothing but its record may tell us of it until its next message.
      await this.#endings.takeUp(streamId);
      return answer;
    });
  }

  /** Repeats the work while it fails in a way that may pass, and the partition is ours. */
  async #retrying<T>(work: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures++) {
      try {
        return await work();
      } catch (error) {
        if (this.#isClosing || !(error instanceof StreamError) || !error.retryable) throw error;
        this.#options.metrics.retries.inc({ code: error.code });
        this.#logger.warn({ err: error }, "trying again");
        await delay(backOffMs(failures, BACK_OFF), undefined, { signal: this.#closing.signal });
      }
    }
  }
}

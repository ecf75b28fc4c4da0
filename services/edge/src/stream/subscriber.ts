import {
  ReplayMerge,
  type CachedChunk,
  type EndStatus,
  type LiveRange,
  type PageVerdict,
  type Phase,
  type RebuildAnswer,
  type StartPoint,
} from "@sluice/core";
import { deletedFrame, gapFrame, keepAliveIntervalMsOfOptions, resetFrame } from "@sluice/protocol";
import type { EdgeContext } from "./context.ts";
import { gapReason } from "./gap-reason.ts";
import type { ChunkPage } from "./chunk-page.ts";
import { HEAD_ONLY } from "./stream-lookup.ts";
import type { FrameSink } from "./frame-sink.ts";
import type { ReadingClient } from "./page-reads.ts";
import { RetryWindow } from "./retry-window.ts";
import { ReplayMeter } from "./replay-meter.ts";
import type { FeedListener, StreamFeed } from "./stream-feed.ts";

/** Answer to a reader who has just come. */
export type Opening = "deleted" | "at-end" | "ready";

/** How a reader wants a stream. */
export interface Reading {
  start: StartPoint;
  /** Joins runs of Text chunks in what is replayed. */
  isCompact: boolean;
  /** The client's, for a fair share of the reads. */
  address: string;
}

/**
 * One stream on one connection. Drives core's ReplayMerge: it says which sequence goes out next, this class fetches
 * and sends it, and sees to what can go wrong on the way (slow reader, hole in the cache, cache away).
 *
 *   join ──▶ open (barrier, first page) ──▶ start ──▶ replay ⇄ live ⇄ lagging ──▶ end
 *
 * Whatever can't be resolved within `replayRetryTimeoutMs` ends the connection: the reader resumes where it was, elsewhere.
 *
 * Longer than 300 lines: one state machine, whose every step may be overtaken by live chunks, a slow socket or the end.
 */
export class Subscriber implements FeedListener {
  readonly #feed: StreamFeed;
  readonly #context: EdgeContext;
  readonly #onLeave: (subscriber: Subscriber) => void;
  readonly #merge: ReplayMerge;
  readonly #retryWindow: RetryWindow;
  readonly #isCompact: boolean;
  readonly #meter: ReplayMeter;
  readonly #address: string;
  /** Aborted when it leaves: what is being read for it is wanted no more. */
  readonly #left = new AbortController();
  /** How many of the last chunks are wanted, until it is known which those are. */
  #tailCount: number | null;
  #sink: FrameSink | null = null;
  #firstPage: ChunkPage | null = null;
  /** The cursor at which ingest last said that all it has is in the cache now. */
  #restoredAt = -1;
  #endStatus: EndStatus | null = null;
  #keepAliveIntervalMs: number | null = null;
  #isReplaying = false;
  #hasLeft = false;

  /** The feed must call `onLive` from now on: what it says is held until `start`. */
  constructor(
    feed: StreamFeed,
    { start, isCompact, address }: Reading,
    context: EdgeContext,
    onLeave: (subscriber: Subscriber) => void,
  ) {
    this.#feed = feed;
    this.#context = context;
    this.#onLeave = onLeave;
    this.#isCompact = isCompact;
    this.#address = address;
    this.#tailCount = start.kind === "tail" ? start.count : null;
    this.#meter = new ReplayMeter(context.metrics);
    const { maxHeldChunks, maxHeldBytes, replayRetryTimeoutMs } = context.settings;
    this.#merge = new ReplayMerge(start.kind === "after" ? start.sequence : 0, {
      maxChunks: maxHeldChunks,
      maxBytes: maxHeldBytes,
    });
    this.#retryWindow = new RetryWindow(replayRetryTimeoutMs);
  }

  get phase(): Phase {
    return this.#merge.phase;
  }

  get streamId(): string {
    return this.#feed.streamId;
  }

  /** The last sequence that was sent, or that the reader came with; null while it isn't known where it begins. */
  get cursor(): number | null {
    return this.#tailCount === null ? this.#merge.cursor : null;
  }

  /** The keep-alive interval that the stream asks for, ms; null while it asks for none. */
  get keepAliveIntervalMs(): number | null {
    return this.#keepAliveIntervalMs;
  }

  /** How the stream ended, as far as the cache has said so. */
  get endStatus(): EndStatus | null {
    return this.#endStatus;
  }

  /**
   * Finds out how to answer the request, before anything is sent; null: there is no such stream. Repeatable.
   * @param keepsPage the page that is read for it is the first one sent; else it is read when its turn comes
   * @throws StreamError CACHE_UNAVAILABLE, CONNECTION: can't be told now
   */
  async open(keepsPage = true): Promise<Opening | null> {
    const { lookup } = this.#context;
    await this.#feed.confirmed();
    if (!(await this.#findStart())) return null;
    this.#merge.onPageRequested();
    const bounds = keepsPage ? undefined : HEAD_ONLY;
    const page = await lookup.find(this.streamId, this.#merge.cursor, this.#client, bounds);
    if (page === null) return null;
    this.#feed.isKnown = true;
    this.#keepAliveIntervalMs = keepAliveIntervalMsOfOptions(page.options);
    this.#noteStatus(page);
    if (page.status === "deleted") return "deleted";
    if (page.hasEnded && page.head === this.#merge.cursor) return "at-end";
    this.#firstPage = keepsPage ? page : null;
    return "ready";
  }

  /** Sends from here on. Once, after `open` said ready. */
  start(sink: FrameSink): void {
    this.#sink = sink;
    const page = this.#firstPage;
    this.#firstPage = null;
    void this.#replay(page);
  }

  onLive(range: LiveRange): void {
    const sink = this.#sink;
    const chunks = range.last - range.first + 1;
    if (sink !== null && this.#merge.phase === "live") {
      if (!sink.hasRoomFor(chunks, range.frames?.byteLength ?? 0)) {
        this.#lag(sink);
        return;
      }
    }
    const verdict = this.#merge.onLive(range);
    if (verdict === "ignore") return;
    if (verdict === "read") {
      this.#context.metrics.repairs.inc();
      void this.#replay(null);
    } else if (range.frames !== null) {
      sink?.push(range.frames, chunks);
      if (this.#merge.phase === "ended") this.#finish();
    }
  }

  /** Only for who is at the head and takes what it is sent: a sign of life is no news later. */
  onHeartbeat(frame: Uint8Array): void {
    const sink = this.#sink;
    if (sink !== null && this.#merge.phase === "live" && !sink.isBlocked) sink.push(frame, 0);
  }

  /** The stream has come to `head`: reads on if that isn't here. In any phase but `live` it does so anyhow. */
  catchUp(head: number): void {
    if (this.#merge.phase !== "live" || this.#merge.cursor >= head) return;
    this.#context.metrics.lostTails.inc();
    this.#merge.resume();
    void this.#replay(null);
  }

  /** Ends the response after what is queued: the reader comes again. */
  disconnect(): void {
    this.#sink?.giveUp();
    this.leave();
  }

  /** Takes this reader off the stream. Idempotent; to be called whenever the response is over, for whatever reason. */
  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#left.abort();
    this.#retryWindow.cancel();
    this.#onLeave(this);
  }

  get #client(): ReadingClient {
    return { address: this.#address, signal: this.#left.signal };
  }

  #finish(): void {
    this.#sink?.finish();
    this.leave();
  }

  /** Turns "the last so many" into a sequence. @returns false where there is no such stream */
  async #findStart(): Promise<boolean> {
    if (this.#tailCount === null) return true;
    const { lookup } = this.#context;
    const state = await lookup.find(this.streamId, Number.MAX_SAFE_INTEGER, this.#client, HEAD_ONLY);
    if (state === null) return false;
    this.#merge.resetTo(Math.max(0, state.head - this.#tailCount));
    this.#tailCount = null;
    return true;
  }

  /** Reads pages and sends them until the reader is at the head, or gone. */
  async #replay(firstPage: ChunkPage | null): Promise<void> {
    if (this.#isReplaying || this.#sink === null) return;
    this.#isReplaying = true;
    let page = firstPage;
    while (!this.#hasLeft && this.#merge.phase === "replay") {
      const before = this.#merge.cursor;
      await this.#replayPage(this.#sink, page);
      page = null;
      if (this.#merge.cursor > before) this.#retryWindow.renew();
      else if (this.#merge.phase === "replay" && !this.#hasLeft && !(await this.#retryWindow.pause())) {
        this.#context.logger.warn(
          { streamId: this.streamId, cursor: before },
          "gave a reader up, it may resume",
        );
        this.disconnect();
      }
    }
    this.#isReplaying = false;
    if (this.#hasLeft) return;
    this.#meter.end();
    this.#retryWindow.renew();
    if (this.#merge.phase === "ended") this.#finish();
  }

  /** One step; a step that fails is as one in vain. */
  async #replayPage(sink: FrameSink, firstPage: ChunkPage | null): Promise<void> {
    const { lookup, logger } = this.#context;
    try {
      const ask = await sink.inTurn(async () => {
        if (this.#hasLeft) return null;
        if (firstPage === null) this.#merge.onPageRequested();
        const page = firstPage ?? (await lookup.readPage(this.streamId, this.#merge.cursor, this.#client));
        if (this.#hasLeft) return null;
        return page === null ? () => this.#askForAll() : this.#send(sink, page);
      });
      await ask?.();
    } catch (error) {
      logger.debug({ err: error, streamId: this.streamId }, "could not read on");
    }
  }

  /** @returns what ingest has to be asked before it can go on, null: nothing */
  #send(sink: FrameSink, page: ChunkPage): (() => Promise<void>) | null {
    this.#noteStatus(page);
    if (page.status === "deleted") {
      sink.push(Buffer.from(deletedFrame(this.streamId, page.head)), 0);
      this.#finish();
      return null;
    }
    const verdict = this.#merge.onPage(page);
    this.#pushChunks(sink, page, verdict);
    for (const range of verdict.ranges) {
      if (range.frames !== null) sink.push(range.frames, range.last - range.first + 1);
    }
    if (verdict.next === "rebuild") return () => this.#askForHole(page);
    return verdict.next === "behind" ? () => this.#askWhetherAhead(page) : null;
  }

  #noteStatus({ status }: ChunkPage): void {
    if (status !== "open") this.#endStatus = status;
  }

  #pushChunks(sink: FrameSink, page: ChunkPage, { chunks }: PageVerdict<CachedChunk>): void {
    if (chunks.length === 0) return;
    const frames = this.#isCompact ? page.compactFramesOf(chunks) : page.framesOf(chunks);
    this.#meter.add(chunks.length, frames.byteLength);
    sink.push(frames, chunks.length);
  }

  /** The cache has lost the record itself. */
  async #askForAll(): Promise<void> {
    const answer = await this.#rebuild();
    if (answer?.kind === "unknown") this.disconnect();
    else if (answer?.kind === "restored") this.#declareExpired(answer);
  }

  /**
   * The page doesn't have what comes next. What is still missing after the log was laid into the cache, while
   * something later is there, isn't in the log.
   */
  async #askForHole(page: ChunkPage): Promise<void> {
    const { cursor } = this.#merge;
    const next = page.chunks.find((chunk) => chunk.sequence > cursor)?.sequence;
    if (this.#restoredAt === cursor && next !== undefined) {
      this.#declareGap(next - 1);
      return;
    }
    const answer = await this.#rebuild();
    if (answer === null || this.#hasLeft) return;
    if (answer.kind === "unknown") this.#declareGap((next ?? page.head + 1) - 1);
    else this.#declareExpired(answer);
    this.#restoredAt = this.#merge.cursor;
  }

  /** The reader claims to have more than the cache: only the log can tell whether that is so. */
  async #askWhetherAhead(page: ChunkPage): Promise<void> {
    const answer = await this.#rebuild();
    if (answer === null || this.#hasLeft) return;
    const head = answer.kind === "restored" ? answer.head : page.head;
    const { cursor } = this.#merge;
    if (head >= cursor) return;
    this.#context.metrics.gaps.inc({ reason: "cursor_ahead" });
    this.#sink?.push(Buffer.from(resetFrame({ streamId: this.streamId, cursor, head })), 0);
    this.#merge.resetTo(head);
    this.#retryWindow.renew();
  }

  #rebuild(): Promise<RebuildAnswer | null> {
    return this.#context.lookup.rebuild(this.streamId, this.#client);
  }

  #declareExpired(answer: Extract<RebuildAnswer, { kind: "restored" }>): void {
    if (!this.#hasLeft) this.#declareGap(Math.min(answer.firstAvailable - 1, answer.head));
  }

  /** Tells that everything up to `to` can't be had, where anything is missing at all, and goes on after it. */
  #declareGap(to: number): void {
    const from = this.#merge.cursor + 1;
    if (to < from) return;
    const reason = gapReason(from, to);
    this.#context.metrics.gaps.inc({ reason });
    const { streamId } = this;
    this.#sink?.push(Buffer.from(gapFrame({ streamId, from, to, reason })), 0);
    this.#merge.skipTo(to);
  }

  #lag(sink: FrameSink): void {
    this.#context.metrics.lagging.inc();
    sink.countBackpressure();
    this.#merge.lag();
    void sink.drained().then(() => {
      if (this.#hasLeft) return;
      this.#merge.resume();
      void this.#replay(null);
    });
  }
}

import { isJump, ReplayMerge, type LiveRange, type Phase, type RebuildAnswer } from "@sluice/core";
import { deletedFrame, gapFrame, resetFrame } from "@sluice/protocol";
import type { Connection } from "./connection.ts";
import type { EdgeContext } from "./context.ts";
import type { FramePage } from "./look-up.ts";
import { Patience } from "./patience.ts";
import type { StreamFeed } from "./stream-feed.ts";

/** What a reader who has just come is to be told. */
export type Opening = "unknown" | "deleted" | "at-end" | "ready";

/**
 * One stream on one connection. Drives core's ReplayMerge: it says which sequence goes out next, this class fetches
 * and sends it, and sees to what can go wrong on the way (slow reader, hole in the cache, cache away).
 *
 *   join ──▶ open (barrier, first page) ──▶ start ──▶ replay ⇄ live ⇄ lagging ──▶ end
 *
 * Whatever can't be resolved within `patienceMs` ends the connection: the reader resumes where it was, elsewhere.
 */
export class Subscriber {
  readonly #feed: StreamFeed;
  readonly #context: EdgeContext;
  readonly #onLeave: (subscriber: Subscriber) => void;
  readonly #merge: ReplayMerge;
  readonly #patience: Patience;
  readonly #joinedMs = performance.now();
  #connection: Connection | null = null;
  #firstPage: FramePage | null = null;
  /** The cursor at which ingest last said that all it has is in the cache now. */
  #restoredAt = -1;
  #isReplaying = false;
  #hasLeft = false;
  #hasCaughtUp = false;

  /** The feed must call `onLive` from now on: what it says is held until `start`. */
  constructor(
    feed: StreamFeed,
    cursor: number,
    context: EdgeContext,
    onLeave: (subscriber: Subscriber) => void,
  ) {
    this.#feed = feed;
    this.#context = context;
    this.#onLeave = onLeave;
    const { maxHeldChunks, maxHeldBytes, patienceMs } = context.settings;
    this.#merge = new ReplayMerge(cursor, { maxChunks: maxHeldChunks, maxBytes: maxHeldBytes });
    this.#patience = new Patience(patienceMs);
  }

  get phase(): Phase {
    return this.#merge.phase;
  }

  /**
   * Finds out how to answer the request, before anything is sent. Repeatable.
   * @throws StreamError CACHE_UNAVAILABLE, CONNECTION: can't be told now
   */
  async open(): Promise<Opening> {
    await this.#feed.confirmed();
    this.#merge.onPageRequested();
    const page = await this.#context.lookUp.find(this.#feed.streamId, this.#merge.cursor);
    if (page === null) return "unknown";
    this.#feed.isKnown = true;
    if (page.status === "deleted") return "deleted";
    if (page.hasEnded && page.head <= this.#merge.cursor) return "at-end";
    this.#firstPage = page;
    return "ready";
  }

  /** Sends from here on. Once, after `open` said ready. */
  start(connection: Connection): void {
    this.#connection = connection;
    const page = this.#firstPage;
    this.#firstPage = null;
    void this.#replay(page);
  }

  onLive(range: LiveRange): void {
    const connection = this.#connection;
    const chunks = range.last - range.first + 1;
    if (connection !== null && this.#merge.phase === "live") {
      if (!connection.hasRoomFor(chunks, range.frames?.byteLength ?? 0)) {
        this.#lag(connection);
        return;
      }
    }
    const verdict = this.#merge.onLive(range);
    if (verdict === "ignore") return;
    if (verdict === "read") {
      this.#context.metrics.repairs.inc();
      void this.#replay(null);
    } else if (range.frames !== null) {
      connection?.push(range.frames, chunks);
      if (this.#merge.phase === "ended") this.disconnect();
    }
  }

  /** The stream has come to `head`: reads on if that isn't here. In any phase but `live` it does so anyhow. */
  catchUp(head: number): void {
    if (this.#merge.phase !== "live" || this.#merge.cursor >= head) return;
    this.#context.metrics.lostTails.inc();
    this.#merge.resume();
    void this.#replay(null);
  }

  /** Ends the response after what is queued. Before the stream's end it means: come again. */
  disconnect(): void {
    this.#connection?.end();
    this.leave();
  }

  /** Takes this reader off the stream. Idempotent; to be called whenever the response is over, for whatever reason. */
  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#patience.cancel();
    this.#onLeave(this);
  }

  /** Reads pages and sends them until the reader is at the head, or gone. */
  async #replay(firstPage: FramePage | null): Promise<void> {
    if (this.#isReplaying || this.#connection === null) return;
    this.#isReplaying = true;
    let page = firstPage;
    while (!this.#hasLeft && this.#merge.phase === "replay") {
      const before = this.#merge.cursor;
      await this.#replayPage(this.#connection, page);
      page = null;
      if (this.#merge.cursor > before) this.#patience.renew();
      else if (this.#merge.phase === "replay" && !this.#hasLeft && !(await this.#patience.pause())) {
        this.#context.logger.warn(
          { streamId: this.#feed.streamId, cursor: before },
          "gave a reader up, it may resume",
        );
        this.disconnect();
      }
    }
    this.#isReplaying = false;
    if (this.#hasLeft) return;
    if (!this.#hasCaughtUp) {
      this.#hasCaughtUp = true;
      this.#context.metrics.replaySeconds.observe((performance.now() - this.#joinedMs) / 1000);
    }
    this.#patience.renew();
    if (this.#merge.phase === "ended") this.disconnect();
  }

  /** One step; a step that fails is as one in vain. */
  async #replayPage(connection: Connection, firstPage: FramePage | null): Promise<void> {
    const { lookUp, logger } = this.#context;
    const { streamId } = this.#feed;
    try {
      await connection.drained();
      if (this.#hasLeft) return;
      if (firstPage === null) this.#merge.onPageRequested();
      const page = firstPage ?? (await lookUp.readPage(streamId, this.#merge.cursor));
      if (this.#hasLeft) return;
      if (page === null) await this.#askForAll();
      else await this.#send(connection, page);
    } catch (error) {
      logger.debug({ err: error, streamId }, "could not read on");
    }
  }

  async #send(connection: Connection, page: FramePage): Promise<void> {
    if (page.status === "deleted") {
      connection.push(Buffer.from(deletedFrame(this.#feed.streamId, page.head)), 0);
      this.disconnect();
      return;
    }
    const verdict = this.#merge.onPage(page);
    for (const chunk of verdict.chunks) connection.push(chunk.frame, 1);
    for (const range of verdict.ranges) {
      if (range.frames !== null) connection.push(range.frames, range.last - range.first + 1);
    }
    if (verdict.next === "rebuild") await this.#askForHole(page);
    else if (verdict.next === "behind") await this.#askWhetherAhead(page);
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
  async #askForHole(page: FramePage): Promise<void> {
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
  async #askWhetherAhead(page: FramePage): Promise<void> {
    if (page.hasEnded) {
      this.disconnect();
      return;
    }
    const answer = await this.#rebuild();
    if (answer === null || this.#hasLeft) return;
    const head = answer.kind === "restored" ? answer.head : page.head;
    const { cursor } = this.#merge;
    if (head >= cursor) return;
    this.#context.metrics.gaps.inc({ reason: "cursor_ahead" });
    this.#connection?.push(Buffer.from(resetFrame({ streamId: this.#feed.streamId, cursor, head })), 0);
    this.#merge.resetTo(head);
    this.#patience.renew();
  }

  #rebuild(): Promise<RebuildAnswer | null> {
    return this.#context.lookUp.rebuild(this.#feed.streamId);
  }

  #declareExpired(answer: Extract<RebuildAnswer, { kind: "restored" }>): void {
    if (!this.#hasLeft) this.#declareGap(Math.min(answer.firstAvailable - 1, answer.head));
  }

  /** Tells that everything up to `to` can't be had, where anything is missing at all, and goes on after it. */
  #declareGap(to: number): void {
    const from = this.#merge.cursor + 1;
    if (to < from) return;
    const reason = isJump(to + 1) && !isJump(from) ? "new_era" : "expired";
    this.#context.metrics.gaps.inc({ reason });
    const { streamId } = this.#feed;
    this.#connection?.push(Buffer.from(gapFrame({ streamId, from, to, reason })), 0);
    this.#merge.skipTo(to);
  }

  #lag(connection: Connection): void {
    this.#context.metrics.lagging.inc();
    connection.countBackpressure();
    this.#merge.lag();
    void connection.drained().then(() => {
      if (this.#hasLeft) return;
      this.#merge.resume();
      void this.#replay(null);
    });
  }
}

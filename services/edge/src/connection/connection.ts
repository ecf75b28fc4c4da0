import type { Socket } from "node:net";
import { commentFrame } from "@sluice/protocol";
import type { EdgeMetrics } from "../metrics.ts";
import type { EdgeSettings } from "../config.ts";
import type { WriteTick } from "./write-tick.ts";

type ConnectionSettings = Pick<
  EdgeSettings,
  "bufferSize" | "maxBufferBytes" | "backpressureThreshold" | "stallTimeoutMs"
>;

export interface ConnectionOptions {
  /** Time for which frames are gathered before they are sent; 0: until the end of the tick. */
  coalesceMs?: number;
  /** Asked before each write for what is to follow the frames of the tick. */
  trailer?: () => Uint8Array | null;
  /** False for clients of HTTP/1.0, to whom the end of the connection is the end of the response. */
  isChunked?: boolean;
}

const PROBE = Buffer.from(commentFrame(""));

// The first is answered by a machine nearby before the second leaves, and by one far away before the third.
const PROBE_DELAYS_MS = [0, 50, 1_000];

/** Last bytes of a chunked response. */
const LAST_CHUNK = "0\r\n\r\n";

/**
 * The writing end of one SSE response, on a socket that it has for itself. Frames are queued and leave in order, one
 * write a tick.
 *
 * While the socket takes what is written, a tick's worth may queue. Once the socket is full (`blocked`) the queue is
 * bounded: the owner asks `hasRoomFor` before each live range, and where it says no, reads on from the cache after
 * `drained`. Nothing taken for `stallTimeoutMs`: destroyed.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #tick: WriteTick;
  readonly #settings: ConnectionSettings;
  readonly #metrics: EdgeMetrics;
  readonly #coalesceMs: number;
  readonly #trailer: (() => Uint8Array | null) | undefined;
  readonly #isChunked: boolean;
  #coalesceTimer: NodeJS.Timeout | undefined;
  #queue: Uint8Array[] = [];
  #queuedChunks = 0;
  #queuedBytes = 0;
  #isScheduled = false;
  #isBlocked = false;
  #isCountedSlow = false;
  #isEnding = false;
  /** Written after all that is queued. */
  #lastWords = "";
  #isClosed = false;
  #drainWaiters: (() => void)[] = [];
  /** Rounds of KeepAlive since the last write; counted here so that silence needs no clock. */
  silentRounds = 0;

  /** Called once when the response is over, whoever ended it. */
  onClose: (() => void) | null = null;

  /**
   * When the kernel last took all that was sent. With SSE there is no other sign of life, and this one lasts as long as there
   * is room in the buffers between here and the client: for heartbeats alone, for days.
   */
  lastSeenMs = Date.now();

  constructor(
    socket: Socket,
    tick: WriteTick,
    settings: ConnectionSettings,
    metrics: EdgeMetrics,
    options: ConnectionOptions = {},
  ) {
    this.#coalesceMs = options.coalesceMs ?? 0;
    this.#trailer = options.trailer;
    this.#isChunked = options.isChunked ?? true;
    this.#socket = socket;
    this.#tick = tick;
    this.#settings = settings;
    this.#metrics = metrics;
    socket.on("drain", () => this.#onDrain());
    socket.on("close", () => this.#onClose());
    socket.on("error", () => socket.destroy());
    if (socket.readableEnded) this.#onHalfClosed();
    else socket.on("end", () => this.#onHalfClosed());
    // Node restarts this timer as long as the kernel takes any of the bytes: slow is not stalled.
    socket.on("timeout", () => {
      this.#metrics.stalled.inc();
      socket.destroy();
    });
  }

  /** True once the response is over, whoever ended it. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Bytes that wait here and in the socket. */
  get waitingBytes(): number {
    return this.#queuedBytes + this.#socket.writableLength;
  }

  /** A single range larger than the buffer still has room where nothing waits. */
  hasRoomFor(chunks: number, bytes: number): boolean {
    if (this.#queue.length === 0) return true;
    const { bufferSize, maxBufferBytes } = this.#settings;
    if (this.#isBlocked && this.#queuedChunks + chunks > bufferSize) return false;
    return this.#queuedBytes + bytes <= maxBufferBytes;
  }

  /** Once for each time the socket is full, whether the queue came near its bound or something had no room in it. */
  countBackpressure(): void {
    if (this.#isCountedSlow) return;
    this.#isCountedSlow = true;
    this.#metrics.backpressureEvents.inc();
  }

  /** Queues whole frames, kept as they are. Ignored after `end`. @param chunks how many of them count as chunks */
  push(frames: Uint8Array, chunks: number): void {
    if (this.#isEnding || this.#isClosed) return;
    this.#queue.push(frames);
    this.#queuedChunks += chunks;
    this.#queuedBytes += frames.byteLength;
    if (this.#isBlocked) this.#noticeUsage();
    else this.#schedule();
  }

  /** Resolves when everything was taken by the kernel, or the response is over. */
  drained(): Promise<void> {
    if (this.#isClosed || (this.#queue.length === 0 && !this.#socket.writableNeedDrain))
      return Promise.resolve();
    return new Promise((resolve) => {
      this.#drainWaiters.push(resolve);
    });
  }

  /**
   * Ends the response after all that is queued, which a full socket may delay for as long as a stall may take: nothing
   * more will ever come.
   */
  end(): void {
    this.#finishWith(LAST_CHUNK);
  }

  /**
   * Closes the connection after all that is queued and leaves the response unfinished: its reader is to come again.
   * Readers that take a clean end for the end of the stream (decision 0017) come again after this one.
   */
  breakOff(lastFrames?: Uint8Array): void {
    if (lastFrames !== undefined) this.push(lastFrames, 0);
    this.#finishWith("");
  }

  #finishWith(lastWords: string): void {
    if (this.#isEnding || this.#isClosed) return;
    this.#isEnding = true;
    this.#lastWords = this.#isChunked ? lastWords : "";
    if (!this.#isBlocked) this.#scheduleNow();
  }

  /** Cuts the connection, whatever waits. */
  destroy(): void {
    this.#socket.destroy();
  }

  flush(): void {
    this.#isScheduled = false;
    if (this.#isClosed) return;
    if (this.#socket.writableNeedDrain) {
      this.#isBlocked = true;
      this.#noticeUsage();
    } else this.#write();
  }

  /** More than half of the buffer isn't gathered any longer: the rest is for what comes until it is written. */
  #schedule(): void {
    const isFirst = this.#socket.writableCorked > 0;
    const isMuch = this.#queuedBytes > this.#settings.maxBufferBytes / 2;
    if (this.#coalesceMs === 0 || isFirst || isMuch) this.#scheduleNow();
    else this.#coalesceTimer ??= setTimeout(() => this.#scheduleNow(), this.#coalesceMs);
  }

  #scheduleNow(): void {
    clearTimeout(this.#coalesceTimer);
    this.#coalesceTimer = undefined;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#tick.schedule(this);
  }

  #write(): void {
    const socket = this.#socket;
    // Drained in the turn for which a write was scheduled: the end is under way already.
    if (socket.writableEnded) return;
    if (this.#isEnding) socket.cork();
    if (this.#queue.length > 0) this.#writeQueue();
    if (this.#lastWords !== "") socket.write(this.#lastWords);
    while (socket.writableCorked > 0) socket.uncork();
    if (this.#isEnding) {
      socket.destroySoon();
      if (socket.writableLength > 0) socket.setTimeout(this.#settings.stallTimeoutMs);
    } else if (socket.writableNeedDrain) {
      socket.setTimeout(this.#settings.stallTimeoutMs);
      return;
    } else this.lastSeenMs = Date.now();
    this.#wakeWaiters();
  }

  #writeQueue(): void {
    const trailer = this.#trailer?.() ?? null;
    if (trailer !== null) {
      this.#queue.push(trailer);
      this.#queuedBytes += trailer.byteLength;
    }
    this.#metrics.writes.inc();
    this.#metrics.chunksSent.inc(this.#queuedChunks);
    this.#metrics.bytesSent.inc(this.#queuedBytes);
    const pieces = this.#isChunked ? this.#tick.asChunk(this.#queue) : this.#queue;
    if (pieces.length > 1) this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#queue = [];
    this.#queuedChunks = 0;
    this.#queuedBytes = 0;
    this.silentRounds = 0;
  }

  #onDrain(): void {
    this.#isBlocked = false;
    this.#isCountedSlow = false;
    this.#socket.setTimeout(0);
    this.#write();
  }

  /**
   * A reader that says that it sends no more may still read, or be gone: only writing tells. Whoever is gone answers the
   * first comment with a reset, which the next write runs into.
   */
  #onHalfClosed(): void {
    for (const delayMs of PROBE_DELAYS_MS) {
      const timer = setTimeout(() => {
        this.push(PROBE, 0);
        if (!this.#isBlocked && !this.#isClosed) this.#scheduleNow();
      }, delayMs);
      timer.unref();
      this.#socket.once("close", () => clearTimeout(timer));
    }
  }

  #onClose(): void {
    clearTimeout(this.#coalesceTimer);
    this.#isClosed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#queuedChunks = 0;
    this.#wakeWaiters();
    this.onClose?.();
  }

  #wakeWaiters(): void {
    if (this.#drainWaiters.length === 0) return;
    const waiters = this.#drainWaiters;
    this.#drainWaiters = [];
    for (const wake of waiters) wake();
  }

  #noticeUsage(): void {
    const { bufferSize, maxBufferBytes, backpressureThreshold } = this.#settings;
    const usage = Math.max(this.#queuedChunks / bufferSize, this.#queuedBytes / maxBufferBytes);
    if (usage >= backpressureThreshold) this.countBackpressure();
  }
}

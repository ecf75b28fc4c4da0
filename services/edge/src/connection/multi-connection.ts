import { Mutex, StreamError, type StartPoint } from "@sluice/core";
import {
  connectionFrame,
  encodeMultiPosition,
  fitsEventId,
  idFrame,
  MAX_STREAMS_PER_CONNECTION,
  streamNoticeFrame,
  withoutIds,
  type StreamNotice,
} from "@sluice/protocol";
import type { Connection } from "./connection.ts";
import type { Hub } from "../stream/hub.ts";
import type { FrameSink } from "../stream/frame-sink.ts";
import { RetryWindow } from "../stream/retry-window.ts";
import type { Opening, Subscriber } from "../stream/subscriber.ts";

interface Followed {
  readonly subscriber: Subscriber;
  /** `over`: it ended or there is no such stream; it stays here for its position. */
  state: "opening" | "following" | "over";
}

/** Live frames are shared by all readers of a stream: their ids are taken out once for all connections of many streams. */
const WITHOUT_IDS = new WeakMap<Uint8Array, Uint8Array>();

/**
 * Many streams on one connection. Their frames travel without ids; at the end of each write stands one id-only block
 * with the positions of all. A cut between the two repeats what was in that write: readers drop it by stream and sequence.
 *
 *   follow (each) ──▶ opened ──▶ attach ──▶ … add, drop … ──▶ the last stream is over: the response ends
 *
 * What can't be resolved for one stream within the retry window ends the connection as a whole, and the reader comes again.
 *
 * Longer than 300 lines: streams join, end and leave in one state machine; its transitions would be spread over files.
 */
export class MultiConnection {
  readonly id: string;
  readonly #hub: Hub;
  /** The streams of the URL, in its order. */
  readonly #listed: readonly string[];
  readonly #isCompact: boolean;
  /** Address of the client. */
  readonly #address: string;
  readonly #streams = new Map<string, Followed>();
  readonly #dropped = new Set<string>();
  /** Called for each id that nobody knows. */
  readonly #onUnknown: () => void;
  readonly #retryWindows = new Set<RetryWindow>();
  readonly #turns = new Mutex();
  #connection: Connection | null = null;
  /** Notices for when there is a connection. */
  #notices: string[] = [];
  #sentPosition = "";
  #isClosed = false;
  /** True if one stream's state is unknown (cache and ingest are away): the connection ends so that the client retries. */
  #isBroken = false;

  /** @param options `listed`: those that the URL names */
  constructor(
    id: string,
    hub: Hub,
    options: { listed: readonly string[]; isCompact: boolean; address: string; onUnknown: () => void },
  ) {
    this.id = id;
    this.#hub = hub;
    this.#listed = options.listed;
    this.#isCompact = options.isCompact;
    this.#address = options.address;
    this.#onUnknown = options.onUnknown;
  }

  /** The shortest that one of its streams asks for, ms; null: none asks for any. */
  get keepAliveIntervalMs(): number | null {
    let shortestMs = Infinity;
    for (const { keepAliveIntervalMs } of this.subscribers())
      shortestMs = Math.min(shortestMs, keepAliveIntervalMs ?? Infinity);
    return Number.isFinite(shortestMs) ? shortestMs : null;
  }

  *subscribers(): Iterable<Subscriber> {
    for (const { subscriber, state } of this.#streams.values()) if (state !== "over") yield subscriber;
  }

  /** Joins a stream, before `opened`. @throws StreamError OVERLOADED */
  follow(streamId: string, start: StartPoint): void {
    this.#streams.set(streamId, this.#join(streamId, start));
  }

  /** Notes, before `opened`, a stream of the URL that was dropped on an earlier connection. */
  leaveOut(streamId: string): void {
    this.#dropped.add(streamId);
  }

  /**
   * Finds out about all that are followed, at the same time. A stream that isn't there yet is waited for.
   * @returns true as soon as one has something to send, false when none ever will
   * @throws StreamError CACHE_UNAVAILABLE, CONNECTION: of one of them it can't be told now
   */
  opened(waitMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const openings = [...this.#streams].map(async ([streamId, followed]) => {
        if (await this.#open(streamId, followed, waitMs)) resolve(true);
      });
      Promise.all(openings).then(
        () => resolve(false),
        (error: unknown) => {
          reject(error instanceof Error ? error : new Error(String(error)));
          this.#isBroken = true;
          this.#connection?.breakOff();
        },
      );
    });
  }

  /** The headers are out: sends from here on. Once. */
  attach(connection: Connection): void {
    this.#connection = connection;
    const opening = connectionFrame(this.id, [...this.#streams.keys()]);
    connection.push(Buffer.from(opening + this.#notices.join("")), 0);
    this.#notices = [];
    for (const followed of this.#streams.values()) if (followed.state === "following") this.#start(followed);
    if (this.#isBroken) connection.breakOff();
    else this.#endWhenOver();
  }

  /** Writes the position behind the frames of one write. */
  readonly trailer = (): Uint8Array | null => {
    const position = this.#position();
    if (position === "" || position === this.#sentPosition) return null;
    this.#sentPosition = position;
    return Buffer.from(idFrame(position));
  };

  /**
   * Resolves when the stream is followed, or was told to have ended.
   * @throws StreamError ALREADY_FOLLOWED, INVALID_REQUEST (no more fit), STREAM_NOT_FOUND, STREAM_DELETED, OVERLOADED,
   * CACHE_UNAVAILABLE, CONNECTION; CONNECTION_NOT_FOUND where the connection ended meanwhile
   */
  async add(streamId: string, start: StartPoint): Promise<void> {
    const previous = this.#streams.get(streamId);
    if (previous !== undefined && previous.state !== "over")
      throw new StreamError("ALREADY_FOLLOWED", `the connection follows ${streamId} already`);
    this.#assertRoomFor(streamId);
    const followed = this.#join(streamId, start);
    this.#streams.set(streamId, followed);
    try {
      const opening = await followed.subscriber.open(false);
      if (this.#isClosed) throw new StreamError("CONNECTION_NOT_FOUND", "the connection has ended");
      const refusal = refusalOf(opening, streamId);
      if (refusal !== null) throw refusal;
      if (this.#streams.get(streamId) !== followed) return;
      this.#dropped.delete(streamId);
      this.#tell(streamId, { state: "following", sequence: followed.subscriber.cursor });
      if (opening === "ready") this.#start(followed);
      else this.#end(streamId, followed, endNotice(followed.subscriber));
    } catch (error) {
      followed.subscriber.leave();
      if (this.#isClosed) throw new StreamError("CONNECTION_NOT_FOUND", "the connection has ended");
      // It was dropped meanwhile, and what was being read for it given up.
      if (this.#streams.get(streamId) !== followed) return;
      if (previous === undefined) this.#streams.delete(streamId);
      else this.#streams.set(streamId, previous);
      // The others may have ended meanwhile, and the response not, for this one. One that carries nothing waits for more.
      if (this.#streams.size > 0) this.#endWhenOver();
      throw error;
    }
  }

  /** Drops a stream: frames sent before arrive before its notice. @throws StreamError STREAM_NOT_FOUND: isn't followed here */
  drop(streamId: string): void {
    const followed = this.#streams.get(streamId);
    if (followed === undefined || followed.state === "over")
      throw new StreamError("STREAM_NOT_FOUND", `the connection doesn't follow ${streamId}`);
    followed.subscriber.leave();
    this.#streams.delete(streamId);
    this.#dropped.add(streamId);
    this.#tell(streamId, { state: "dropped", sequence: followed.subscriber.cursor });
  }

  /** Takes all its readers off their streams. To be called when the response is over, for whatever reason. Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const retryWindow of this.#retryWindows) retryWindow.cancel();
    for (const { subscriber } of this.#streams.values()) subscriber.leave();
  }

  #join(streamId: string, start: StartPoint): Followed {
    const reading = { start, isCompact: this.#isCompact, address: this.#address };
    return { subscriber: this.#hub.join(streamId, reading), state: "opening" };
  }

  /** @returns whether there is something to send */
  async #open(streamId: string, followed: Followed, waitMs: number): Promise<boolean> {
    const { subscriber } = followed;
    const retryWindow = new RetryWindow(waitMs);
    this.#retryWindows.add(retryWindow);
    const isOff = (): boolean => this.#isClosed || this.#streams.get(streamId) !== followed;
    // What was being read for a stream that was dropped meanwhile is given up.
    const open = (): Promise<Opening | null> =>
      subscriber.open(false).catch((error: unknown) => {
        if (isOff()) return null;
        throw error;
      });
    const opening = await this.#hub.pendingStreams
      .find(open, { streamId, address: this.#address, retryWindow, isOver: isOff })
      .finally(() => this.#retryWindows.delete(retryWindow));
    if (isOff()) return false;
    if (opening === "ready") {
      followed.state = "following";
      if (this.#connection !== null) this.#start(followed);
      return true;
    }
    if (opening === null) this.#onUnknown();
    const refusal = refusalOf(opening, streamId);
    const notice: StreamNotice =
      refusal === null
        ? endNotice(subscriber)
        : { state: "refused", code: refusal.code, detail: refusal.message };
    this.#end(streamId, followed, notice);
    return false;
  }

  #start(followed: Followed): void {
    const connection = this.#connection;
    if (connection === null) return;
    followed.state = "following";
    followed.subscriber.start(this.#sinkOf(followed, connection));
  }

  #sinkOf(followed: Followed, connection: Connection): FrameSink {
    const { subscriber } = followed;
    return {
      get isBlocked() {
        return connection.isBlocked;
      },
      hasRoomFor: (chunks, bytes) => connection.hasRoomFor(chunks, bytes),
      countBackpressure: () => connection.countBackpressure(),
      push: (frames, chunks) => connection.push(withoutIdsOnce(subscriber.streamId, frames), chunks),
      drained: () => connection.drained(),
      inTurn: (work) =>
        this.#turns.run(async () => {
          await connection.drained();
          return work();
        }),
      finish: () => this.#end(subscriber.streamId, followed, endNotice(subscriber)),
      giveUp: () => connection.breakOff(),
    };
  }

  #end(streamId: string, followed: Followed, notice: StreamNotice): void {
    followed.state = "over";
    followed.subscriber.leave();
    this.#tell(streamId, notice);
    this.#endWhenOver();
  }

  #endWhenOver(): void {
    for (const { state } of this.#streams.values()) if (state !== "over") return;
    this.#connection?.end();
  }

  #tell(streamId: string, notice: StreamNotice): void {
    const frame = streamNoticeFrame(streamId, notice);
    if (this.#connection === null) this.#notices.push(frame);
    else this.#connection.push(Buffer.from(frame), 0);
  }

  #position(): string {
    const listed = this.#listed.map((streamId) =>
      this.#dropped.has(streamId) ? "dropped" : (this.#streams.get(streamId)?.subscriber.cursor ?? null),
    );
    const added = this.#added().map(([streamId, { subscriber }]) => ({
      streamId,
      sequence: subscriber.cursor ?? 0,
    }));
    return encodeMultiPosition({ listed, added });
  }

  /** Streams that the URL doesn't name, while they go on. */
  #added(): [string, Followed][] {
    return [...this.#streams].filter(
      ([streamId, { state }]) => state === "following" && !this.#listed.includes(streamId),
    );
  }

  #assertRoomFor(streamId: string): void {
    const others = [...this.#streams.keys()].filter((other) => !this.#listed.includes(other));
    const count = [...this.subscribers()].length;
    if (count < MAX_STREAMS_PER_CONNECTION && fitsEventId(this.#listed.length, [...others, streamId])) return;
    throw new StreamError("INVALID_REQUEST", "no more streams fit on this connection: open another");
  }
}

/** `status`: for who doesn't get the chunk that says it. */
function endNotice({ cursor, endStatus }: Subscriber): StreamNotice {
  return { state: "ended", sequence: cursor, ...(endStatus !== null && { status: endStatus }) };
}

function refusalOf(opening: Opening | null, streamId: string): StreamError | null {
  if (opening === null) return new StreamError("STREAM_NOT_FOUND", `there is no stream ${streamId}`);
  if (opening === "deleted") return new StreamError("STREAM_DELETED", `stream ${streamId} was deleted`);
  return null;
}

function withoutIdsOnce(streamId: string, frames: Uint8Array): Uint8Array {
  const known = WITHOUT_IDS.get(frames);
  if (known !== undefined) return known;
  const stripped = withoutIds(streamId, frames);
  WITHOUT_IDS.set(frames, stripped);
  return stripped;
}

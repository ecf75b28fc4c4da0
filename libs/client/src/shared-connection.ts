import type { EndStatus } from "@sluice/core";
import type { ClientHost } from "./client-host.ts";
import { Connection, type ConnectionState } from "./connection.ts";
import { withQuery, type Follower, type Leave } from "./follower.ts";
import { refusalOf, unlessAborted } from "./http.ts";
import { SluiceError } from "./sluice-error.ts";
import type { Frame } from "./sse.ts";

// The server allows 64 streams; proxies allow a request line of 8 KB.
const MAX_STREAMS = 64;
const MAX_ID_CHARACTERS = 4_000;

/**
 * Carries many streams on one connection. Streams may come and go at any time: they are added and dropped one by one on the
 * open connection and, where that fails, by opening it anew with all of them.
 *
 * Each reader keeps its own position; a reader without one (a tail) can't be here. Its frames count from the moment the
 * connection says that it follows the stream for this reader: frames that were on their way for an earlier reader of the
 * same stream are ignored.
 */
export class SharedConnection {
  readonly #host: ClientHost;
  readonly #isCompact: boolean | undefined;
  /** Streams that the connection should carry. */
  readonly #wanted = new Map<string, Follower>();
  /** Streams that the server was told to send. */
  #carried = new Map<string, Follower>();
  /** Streams whose frames count. */
  #heard = new Map<string, Follower>();
  #connection: Connection | null = null;
  /** The connection that was open last. */
  #opened: Opened | null = null;

  constructor(host: ClientHost, isCompact: boolean | undefined) {
    this.#host = host;
    this.#isCompact = isCompact;
  }

  /** Whether this stream can be read here, beside the others. */
  hasRoomFor({ id, options }: Follower): boolean {
    const ids = this.#wanted;
    if (ids.has(id) || ids.size === MAX_STREAMS || options.compact !== this.#isCompact) return false;
    return [...ids.keys(), id].join("").length <= MAX_ID_CHARACTERS;
  }

  join(stream: Follower): Leave {
    // A new object for each join: the server may still be sending frames for a previous join of the same reader.
    const follower = { ...stream };
    this.#wanted.set(follower.id, follower);
    follower.changed("connecting", null);
    // In the next microtask, once all streams of this moment have joined.
    queueMicrotask(() => this.#settle());
    return () => this.#leave(follower);
  }

  #leave(follower: Follower): void {
    if (this.#wanted.get(follower.id) !== follower) return;
    this.#wanted.delete(follower.id);
    // The server has dropped it by itself.
    if (follower.reader.hasEnded) this.#carried.delete(follower.id);
    if (this.#heard.get(follower.id) === follower) this.#heard.delete(follower.id);
    queueMicrotask(() => this.#settle());
  }

  /** Brings the connection in line with the streams that are wanted. */
  #settle(): void {
    if (this.#wanted.size === 0) this.#close();
    else if (this.#connection === null) this.#open();
    else if (this.#opened?.isChanging === false) void this.#change(this.#opened);
  }

  #open(): void {
    this.#connection = new Connection(this.#host, {
      request: () => this.#request(),
      opened: (headers, signal) => {
        this.#opened = { id: headers.get("Sluice-Connection-Id"), signal, isChanging: false };
      },
      changed: (state, error) => this.#changed(state, error),
      take: (frame) => this.#take(frame),
      over: (error) => this.#over(error),
      room: () => this.#makeRoom(),
    });
  }

  #close(): void {
    this.#connection?.close();
    this.#connection = null;
    this.#carried.clear();
    this.#heard.clear();
  }

  #request(): { url: string; lastEventId: string | null; waitMs: number } {
    const wanted = [...this.#wanted.values()];
    const wait = Math.max(...wanted.map(({ options }) => options.wait ?? 0));
    const cursors = wanted.map(({ reader }) => reader.cursor ?? 0);
    const ids = wanted.map(({ id }) => `stream_id=${id}`).join("&");
    this.#heard.clear();
    this.#carried = new Map(this.#wanted);
    return {
      url: withQuery(`${this.#host.edgeUrl}/streams/events?${ids}`, {
        compact: this.#isCompact,
        wait: wait || undefined,
      }),
      lastEventId: cursors.some(Boolean) ? cursors.map((cursor) => cursor.toString(36)).join(".") : null,
      waitMs: wait * 1000,
    };
  }

  #changed(state: ConnectionState, error: SluiceError | null): void {
    if (state !== "open") {
      for (const follower of this.#wanted.values()) follower.changed(state, error);
      return;
    }
    for (const follower of this.#carried.values()) this.#hear(follower);
    this.#settle();
  }

  #hear(follower: Follower): void {
    if (!this.#isWanted(follower)) return;
    this.#heard.set(follower.id, follower);
    follower.changed("open", null, this.#opened?.id);
  }

  #isWanted(follower: Follower): boolean {
    return this.#wanted.get(follower.id) === follower;
  }

  #take(frame: Frame): void {
    const id = frame.data?.["stream_id"] as string;
    if (frame.name === "stream") {
      this.#takeNotice(id, frame.data as unknown as Notice);
      return;
    }
    this.#heard.get(id)?.reader.take(frame);
  }

  #takeNotice(id: string, notice: Notice): void {
    const carried = this.#carried.get(id);
    if (notice.state === "following" && carried !== undefined) this.#hear(carried);
    const follower = this.#heard.get(id);
    if (notice.state === "ended") follower?.reader.takeEnd(notice.sequence, notice.status);
    if (notice.state === "refused") {
      this.#carried.delete(id);
      follower?.over(new SluiceError(notice.code, notice.detail));
    }
  }

  /** Makes one change at a time, until the server sends what is wanted. */
  async #change(opened: Opened): Promise<void> {
    opened.isChanging = true;
    try {
      while (!opened.signal.aborted) {
        const dropped = [...this.#carried.values()].find((follower) => !this.#isWanted(follower));
        const added = [...this.#wanted.values()].find(({ id }) => !this.#carried.has(id));
        if (dropped !== undefined) {
          await this.#ask(opened, "DELETE", dropped.id);
          this.#carried.delete(dropped.id);
        } else if (added !== undefined) await this.#add(opened, added);
        else break;
      }
    } catch {
      if (!opened.signal.aborted) this.#connection?.restart();
    }
    opened.isChanging = false;
  }

  /** Adds a stream to the open connection. @throws SluiceError it takes a new connection to carry it */
  async #add(opened: Opened, follower: Follower): Promise<void> {
    const { id, options, reader } = follower;
    this.#carried.set(id, follower);
    const refusal = await this.#ask(opened, "POST", withQuery(id, { from: (reader.cursor ?? 0) + 1 }));
    if (refusal === null) return;
    const isAnswer = /^STREAM_(NOT_FOUND|DELETED)$/.test(refusal.code);
    if (!isAnswer || options.wait !== undefined) throw refusal;
    this.#carried.delete(id);
    follower.over(refusal);
  }

  /** Asks for one change. Without an answer in time, the connection is taken for dead. @throws SluiceError it is over */
  async #ask({ id, signal }: Opened, method: string, stream: string): Promise<SluiceError | null> {
    const { send, keepAliveMs } = this.#host;
    const url = `${this.#host.edgeUrl}/connections/${id}/streams/${stream}`;
    const overdue = setTimeout(() => this.#connection?.restart(), keepAliveMs);
    try {
      return await unlessAborted(signal, async () => {
        const response = await send(method, url, {}, signal);
        return response.ok ? null : refusalOf(response);
      });
    } finally {
      clearTimeout(overdue);
    }
  }

  /** Takes off readers that have no room, so that the others don't wait. They come back at their position. */
  #makeRoom(): null {
    for (const follower of this.#heard.values()) {
      const room = follower.room();
      if (room === null) continue;
      this.#leave(follower);
      void room.then(() => follower.carryOn(this.#host.followShared));
    }
    return null;
  }

  /** Hands the streams on: an answer to the connection as a whole may be another for each of its streams. */
  #over(error: SluiceError | null): void {
    const followers = [...this.#wanted.values()];
    this.#wanted.clear();
    this.#close();
    for (const follower of followers) {
      if (error?.isRetryable === true) follower.over(error);
      else follower.carryOn(this.#host.followAlone);
    }
  }
}

interface Opened {
  readonly id: string | null;
  /** Aborted as soon as the connection is over. */
  readonly signal: AbortSignal;
  isChanging: boolean;
}

type Notice =
  | { state: "following" | "ended" | "dropped"; sequence: number | null; status?: EndStatus }
  | { state: "refused"; code: string; detail: string };

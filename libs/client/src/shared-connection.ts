import { Connection, type ConnectionSettings, type ConnectionState } from "./connection.ts";
import { requestQuery, startQuery, withQuery, type Carrier, type Follower } from "./follower.ts";
import { refusalOf } from "./http.ts";
import { SluiceError } from "./sluice-error.ts";
import type { Frame } from "./sse.ts";

export interface SharedHost {
  readonly edgeUrl: string;
  readonly settings: ConnectionSettings;
  /** A connection of this kind again, or another of the kind. */
  readonly followShared: (follower: Follower) => Carrier;
  readonly followAlone: (follower: Follower) => Carrier;
}

// The server's bound, and what fits the 8 KB that proxies give a request line.
const MAX_STREAMS = 64;
const MAX_ID_CHARACTERS = 4_000;

/**
 * Many streams on one connection. Which streams it should carry may change at any time; on the open connection they are
 * added and dropped one by one, and where that fails it is opened anew with all of them.
 *
 * Positions are each reader's own. Frames count from the moment the connection says that it follows the stream for this
 * reader, so what was on its way for an earlier reader of the same stream can't be mistaken.
 */
export class SharedConnection {
  readonly #host: SharedHost;
  readonly #isCompact: boolean;
  /** What it should carry. */
  readonly #wanted = new Map<string, Follower>();
  /** What the server was told to send. */
  #carried = new Map<string, Follower>();
  /** Whose frames count. */
  #heard = new Map<string, Follower>();
  #connection: Connection | null = null;
  /** Of the open connection; null while there is none. */
  #connectionId: string | null = null;
  #listed: readonly Follower[] = [];
  #isChanging = false;

  constructor(host: SharedHost, isCompact: boolean) {
    this.#host = host;
    this.#isCompact = isCompact;
  }

  /** Whether this stream can be read here, for another reader than those that are here. */
  hasRoomFor({ id, options }: Follower): boolean {
    if (this.#wanted.has(id) || (options.compact ?? false) !== this.#isCompact) return false;
    const characters = [...this.#wanted.keys()].reduce((sum, each) => sum + each.length, id.length);
    return this.#wanted.size < MAX_STREAMS && characters <= MAX_ID_CHARACTERS;
  }

  join(follower: Follower): Carrier {
    this.#wanted.set(follower.id, follower);
    follower.changed("connecting", null);
    // In the next microtask, when all streams of this moment are here.
    queueMicrotask(() => this.#settle());
    return { leave: () => this.#leave(follower) };
  }

  #leave(follower: Follower): void {
    if (this.#wanted.get(follower.id) !== follower) return;
    this.#wanted.delete(follower.id);
    // The server knows.
    if (follower.reader.hasEnded) this.#carried.delete(follower.id);
    if (this.#heard.get(follower.id) === follower) this.#heard.delete(follower.id);
    queueMicrotask(() => this.#settle());
  }

  /** Brings the connection in line with what is wanted. */
  #settle(): void {
    if (this.#wanted.size === 0) this.#close();
    else if (this.#connection === null) this.#open();
    else if (this.#connectionId !== null && !this.#isChanging) void this.#change();
  }

  #open(): void {
    this.#connection = new Connection(this.#host.settings, {
      request: () => this.#request(),
      opened: (headers) => (this.#connectionId = headers.get("Sluice-Connection-Id")),
      changed: (state, error) => this.#changed(state, error),
      take: (frame) => this.#take(frame),
      over: (error) => this.#over(error),
      room: () => this.#makeRoom(),
    });
  }

  #close(): void {
    this.#connection?.close();
    this.#connection = null;
    this.#connectionId = null;
    this.#carried.clear();
    this.#heard.clear();
  }

  #request(): { url: string; lastEventId: string | null; waitMs: number } {
    const wanted = [...this.#wanted.values()];
    // The URL has room for one `tail`; a stream with another is added later.
    const tail = wanted.find(({ reader }) => reader.cursor === null)?.options.tail;
    const listed = wanted.filter(({ reader, options }) => reader.cursor !== null || options.tail === tail);
    const wait = Math.max(...listed.map(({ options }) => options.wait ?? 0));
    const cursors = listed.map(({ reader }) => reader.cursor);
    const query: [string, string][] = listed.map(({ id }) => ["stream_id", id]);
    if (tail !== undefined) query.push(...startQuery({ tail }));
    query.push(...requestQuery({ compact: this.#isCompact, wait }));
    this.#listed = listed;
    this.#connectionId = null;
    this.#heard.clear();
    this.#carried = new Map(listed.map((follower) => [follower.id, follower]));
    const isFresh = cursors.every((cursor) => (tail === undefined ? cursor === 0 : cursor === null));
    return {
      url: withQuery(`${this.#host.edgeUrl}/streams/events`, query),
      lastEventId: isFresh ? null : cursors.map((cursor) => cursor?.toString(36) ?? "").join("."),
      waitMs: wait * 1000,
    };
  }

  #changed(state: ConnectionState, error: SluiceError | null): void {
    if (state !== "open") {
      this.#connectionId = null;
      for (const follower of this.#wanted.values()) follower.changed(state, error);
      return;
    }
    for (const follower of this.#carried.values()) if (this.#isWanted(follower)) this.#hear(follower);
    this.#settle();
  }

  #hear(follower: Follower): void {
    this.#heard.set(follower.id, follower);
    follower.changed("open", null);
  }

  #isWanted(follower: Follower): boolean {
    return this.#wanted.get(follower.id) === follower;
  }

  #take(frame: Frame): void {
    if (frame.name === null) {
      this.#takePositions(frame.id ?? "");
      return;
    }
    if (frame.name === "connection") this.#connectionId ??= frame.data?.["connection_id"] as string;
    const id = frame.data?.["stream_id"] as string;
    if (frame.name === "stream") {
      this.#takeNotice(id, frame.data as unknown as Notice);
      return;
    }
    this.#heard.get(id)?.reader.take(frame);
  }

  /** They matter to streams that asked for their tail and have nothing of it yet. */
  #takePositions(text: string): void {
    if (this.#listed.every(({ reader }) => reader.cursor !== null)) return;
    const positions = text.split(",")[0]?.split(".") ?? [];
    for (const [index, position] of positions.entries())
      if (position !== "") this.#listed[index]?.reader.beginAfter(Number.parseInt(position, 36));
  }

  #takeNotice(id: string, notice: Notice): void {
    if (notice.state === "following") {
      const follower = this.#carried.get(id);
      if (follower === undefined || !this.#isWanted(follower)) return;
      follower.reader.beginAfter(notice.sequence);
      this.#hear(follower);
    }
    const follower = this.#heard.get(id);
    if (follower === undefined) return;
    if (notice.state === "ended") follower.reader.takeEnd(notice.sequence);
    if (notice.state !== "refused") return;
    this.#carried.delete(id);
    follower.over(
      new SluiceError(notice.code ?? "STREAM_NOT_FOUND", notice.detail ?? "there is no such stream"),
    );
  }

  /** One change at a time, until server and wishes agree. */
  async #change(): Promise<void> {
    this.#isChanging = true;
    const connectionId = this.#connectionId;
    try {
      for (let next = this.#nextChange(); next !== null; next = this.#nextChange()) {
        await next(`${this.#host.edgeUrl}/connections/${connectionId}/streams`);
        if (this.#connectionId !== connectionId) break;
      }
    } catch {
      if (this.#connectionId === connectionId) this.#connection?.restart();
    }
    this.#isChanging = false;
    if (this.#connectionId !== connectionId) this.#settle();
  }

  #nextChange(): ((url: string) => Promise<void>) | null {
    const { http } = this.#host.settings;
    for (const [id, follower] of this.#carried) {
      if (this.#isWanted(follower)) continue;
      return async (url) => {
        await http.send("DELETE", `${url}/${id}`, {});
        if (this.#carried.get(id) === follower) this.#carried.delete(id);
      };
    }
    for (const [id, follower] of this.#wanted) {
      if (this.#carried.has(id)) continue;
      return async (url) => {
        this.#carried.set(id, follower);
        const { cursor } = follower.reader;
        const start = startQuery(cursor === null ? follower.options : { from: cursor + 1 });
        const response = await http.send("POST", withQuery(`${url}/${id}`, start), {});
        if (response.ok) return;
        const refusal = await refusalOf(response);
        const isAnswer = refusal.code === "STREAM_NOT_FOUND" || refusal.code === "STREAM_DELETED";
        if (!isAnswer || (follower.options.wait ?? 0) > 0) throw refusal;
        this.#carried.delete(id);
        follower.over(refusal);
      };
    }
    return null;
  }

  /** Nobody waits for the slowest: it is taken off, and comes back where it was. */
  #makeRoom(): null {
    for (const follower of this.#heard.values()) {
      const room = follower.room();
      if (room === null) continue;
      this.#leave(follower);
      void room.then(() => follower.carryOn(this.#host.followShared));
    }
    return null;
  }

  /** What concerns the connection as a whole may be different for each of its streams. */
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

interface Notice {
  state: "following" | "ended" | "dropped" | "refused";
  sequence?: number | null;
  code?: string;
  detail?: string;
}

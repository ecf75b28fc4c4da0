import type { ClientHost } from "./client-host.ts";
import type { StreamChunk } from "./chunks.ts";
import type { Follower, Leave } from "./follower.ts";
import type { Frame } from "./sse.ts";
import type { RequestOptions } from "./stream-options.ts";
import { StreamReader } from "./stream-reader.ts";
import { copyError, type TabEnd, type TabState, type ToPage } from "./tabs-messages.ts";

/** One page's reading of one stream. */
export interface TabFollower {
  readonly key: number;
  readonly streamId: string;
  readonly options: Pick<RequestOptions, "compact" | "wait">;
  readonly send: (message: ToPage) => void;
  /** The last sequence that was sent to the page. */
  cursor: number;
  /** Number of the frame that is sent next. */
  next: number;
  /** Characters that were sent, and that the page hasn't said it took. */
  untaken: number;
  reading: TabReading | null;
}

export interface TabReadingEvents {
  /** The history doesn't reach back to this follower any more, which has left. */
  readonly lost: (follower: TabFollower) => void;
  /** The reading has moved on. */
  readonly moved: (reading: TabReading) => void;
  /** Nobody followed the reading any more. */
  readonly closed: (reading: TabReading) => void;
}

interface Kept {
  readonly first: number;
  readonly last: number;
  readonly json: string;
}

// What a tab that comes later gets without another request. Without this bound a long stream would stay in memory whole.
const MAX_HISTORY_CHARACTERS = 4 * 1024 * 1024;
// Without this bound the frames for a tab that is frozen would pile up in its port.
const MAX_UNTAKEN_CHARACTERS = 256 * 1024;
// A reload takes less: the page finds the stream as it was.
const LINGER_MS = 5_000;

/**
 * Reads one stream once for many pages. It keeps the newest frames as a history, in which each page has its own position:
 * a page that comes later begins with the history, and one that takes frames slowly is only sent what it has room for.
 *
 * Frames are recorded as this reading's own StreamReader accepted them, so pages get each sequence once and in order.
 */
export class TabReading {
  readonly #events: TabReadingEvents;
  readonly #followers = new Set<TabFollower>();
  readonly #reader: StreamReader;
  #history: Kept[] = [];
  /** Number of the first frame in the history, and the sequence before it. */
  #firstNumber = 0;
  #firstCursor: number;
  #characters = 0;
  /** The last sequence in the history. */
  #recorded: number;
  #state: TabState = { state: "connecting", error: null, connectionId: null };
  #end: TabEnd | null = null;
  #isClosed = false;
  #isPumping = false;
  #leave: Leave = () => {};
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(host: ClientHost, { streamId, options, cursor }: TabFollower, events: TabReadingEvents) {
    this.#events = events;
    this.#firstCursor = this.#recorded = cursor;
    this.#reader = new RecordedReader(
      streamId,
      cursor,
      {
        chunk: (chunk) => this.#recordChunk(chunk),
        gap: (gap) => {
          const frame = { id: null, name: "gap", data: gap };
          if (gap.reset === true) this.#cutAfter(gap.head, frame);
          else this.#record(gap.from, gap.to, frame);
        },
        heartbeat: (chunk) => this.#sendNow({ id: null, name: "heartbeat", data: { ...chunk } }),
        end: ({ status }) => this.#finish({ error: null, status }),
      },
      // A sequence that has no event for the application still counts.
      (last) => {
        if (last > this.#recorded)
          this.#record(this.#recorded + 1, last, { id: `${last}`, name: null, data: null });
      },
    );
    const follower: Follower = {
      id: streamId,
      options,
      reader: this.#reader,
      changed: (state, error, connectionId) => {
        this.#state = {
          state,
          error: copyError(error),
          connectionId: connectionId ?? this.#state.connectionId,
        };
        this.#pumpAll();
        for (const each of this.#followers) this.#sendState(each);
      },
      over: (error, status = null) => {
        if (error === null) this.#reader.takeEnd(null, status);
        else this.#finish({ error: copyError(error), status });
      },
      carryOn: (follow) => {
        if (this.#isClosed || this.#end !== null) return;
        this.#leave = follow(follower);
      },
      room: () => null,
    };
    follower.carryOn(host.followShared);
  }

  get followers(): readonly TabFollower[] {
    return [...this.#followers];
  }

  /** Whether a page at this position can go on with this reading. A reading that has failed isn't joined: another may succeed. */
  serves(cursor: number): boolean {
    return !this.#isClosed && (this.#end?.error ?? null) === null && this.#numberAfter(cursor) !== null;
  }

  /** @param follower at a position that this reading serves */
  join(follower: TabFollower): void {
    clearTimeout(this.#linger);
    follower.next = this.#numberAfter(follower.cursor) ?? 0;
    follower.reading = this;
    this.#followers.add(follower);
    this.#sendState(follower);
    this.pump(follower);
  }

  leave(follower: TabFollower): void {
    if (!this.#followers.delete(follower)) return;
    follower.reading = null;
    if (this.#followers.size > 0) return;
    this.#linger = setTimeout(() => this.close(), LINGER_MS);
  }

  close(): void {
    clearTimeout(this.#linger);
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#leave();
    this.#events.closed(this);
  }

  /** Sends what the page has room for. */
  pump(follower: TabFollower): void {
    if (follower.next < this.#firstNumber) {
      this.leave(follower);
      this.#events.lost(follower);
      return;
    }
    const frames: string[] = [];
    for (;;) {
      const kept = this.#history[follower.next - this.#firstNumber];
      if (kept === undefined || follower.untaken >= MAX_UNTAKEN_CHARACTERS) break;
      frames.push(kept.json);
      follower.next++;
      follower.cursor = kept.last;
      follower.untaken += kept.json.length;
    }
    if (frames.length > 0) follower.send({ kind: "frames", key: follower.key, frames });
    if (this.#end === null || follower.next < this.#nextNumber) return;
    follower.send({ kind: "over", key: follower.key, ...this.#end });
    this.leave(follower);
  }

  get #nextNumber(): number {
    return this.#firstNumber + this.#history.length;
  }

  /** Null: a page at this position lacks what isn't here any more, or is in the middle of joined chunks, or ahead. */
  #numberAfter(cursor: number): number | null {
    if (cursor === this.#firstCursor) return this.#firstNumber;
    const index = this.#history.findLastIndex(({ last }) => last === cursor);
    return index < 0 ? null : this.#firstNumber + index + 1;
  }

  #recordChunk(chunk: StreamChunk): void {
    const { sequence, first_sequence: first = sequence, chunk_type: type } = chunk;
    this.#record(first, sequence, { id: `${sequence}`, name: type.type.toLowerCase(), data: { ...chunk } });
  }

  #record(first: number, last: number, frame: Frame): void {
    const json = JSON.stringify(frame);
    this.#history.push({ first, last, json });
    this.#recorded = last;
    this.#characters += json.length;
    this.#trim();
    if (this.#isPumping) return;
    this.#isPumping = true;
    // Frames that arrived together travel together.
    queueMicrotask(() => this.#pumpAll());
  }

  /** Drops the older half of a history that has become too long. */
  #trim(): void {
    if (this.#characters <= MAX_HISTORY_CHARACTERS) return;
    // Pages that are up to date are sent what is new before it goes.
    this.#pumpAll();
    let count = 0;
    while (this.#characters > MAX_HISTORY_CHARACTERS / 2 && count < this.#history.length) {
      const kept = this.#history[count++];
      this.#characters -= kept?.json.length ?? 0;
      this.#firstCursor = kept?.last ?? this.#firstCursor;
    }
    this.#history = this.#history.slice(count);
    this.#firstNumber += count;
  }

  #pumpAll(): void {
    this.#isPumping = false;
    for (const follower of this.#followers) this.pump(follower);
    this.#events.moved(this);
  }

  /** The stream is shorter than what was read of it. */
  #cutAfter(head: number, gap: Frame): void {
    this.#pumpAll();
    while ((this.#history.at(-1)?.last ?? 0) > head)
      this.#characters -= this.#history.pop()?.json.length ?? 0;
    this.#firstCursor = Math.min(this.#firstCursor, head);
    this.#recorded = head;
    const json = JSON.stringify(gap);
    for (const follower of this.#followers) {
      if (follower.cursor <= head) continue;
      follower.cursor = head;
      follower.next = this.#nextNumber;
      follower.untaken += json.length;
      follower.send({ kind: "frames", key: follower.key, frames: [json] });
    }
  }

  /** Sends a frame to pages that are up to date: a sign of life says nothing once it is old. */
  #sendNow(frame: Frame): void {
    this.#pumpAll();
    const json = JSON.stringify(frame);
    for (const follower of this.#followers) {
      if (follower.next < this.#nextNumber || follower.untaken >= MAX_UNTAKEN_CHARACTERS) continue;
      follower.untaken += json.length;
      follower.send({ kind: "frames", key: follower.key, frames: [json] });
    }
  }

  #sendState({ key, send }: TabFollower): void {
    if (this.#end === null) send({ kind: "state", key, ...this.#state });
  }

  #finish(end: TabEnd): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#leave();
    queueMicrotask(() => this.#pumpAll());
  }
}

/** Tells of each frame that it took, and whose sequence therefore counts. */
class RecordedReader extends StreamReader {
  readonly #taken: (cursor: number) => void;

  constructor(
    streamId: string,
    cursor: number,
    sink: ConstructorParameters<typeof StreamReader>[2],
    taken: (cursor: number) => void,
  ) {
    super(streamId, cursor, sink);
    this.#taken = taken;
  }

  override take(frame: Frame): void {
    super.take(frame);
    this.#taken(this.cursor ?? 0);
  }
}

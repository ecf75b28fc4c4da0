import type { LiveFeed, TailAnnouncement } from "@sluice/core";
import { randomUUID } from "node:crypto";

const INTERVAL_MS = 1_000;
// Creations that come together are told together.
const SOON_MS = 5;
/** A change is told this many times, so that one lost announcement is no lost tail. */
const TIMES_TOLD = 3;
// With ids of 128 characters 200 KB: an announcement larger than NATS takes would be dropped as a whole.
const MAX_STREAMS_TOLD = 1_000;

/** Says each second what changed lately in a partition, so that edges notice a last message that never reached them. */
export class TailAnnouncer {
  readonly #partition: number;
  readonly #liveFeed: Pick<LiveFeed, "publishTail">;
  readonly #term = randomUUID();
  readonly #changed = new Map<string, { head: number; hasEnded: boolean; timesLeft: number }>();
  readonly #created = new Set<string>();
  #serial = 0;
  #position: () => number = () => 0;
  #soonTimer: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(partition: number, liveFeed: Pick<LiveFeed, "publishTail">) {
    this.#partition = partition;
    this.#liveFeed = liveFeed;
  }

  start(position: () => number): void {
    this.#position = position;
    this.#timer = setInterval(() => this.#announce(), INTERVAL_MS);
  }

  /** A stream is there that nobody could know before: edges that have just said that there is none are told at once. */
  noteCreated(streamId: string): void {
    this.#created.add(streamId);
    if (!this.#changed.has(streamId)) this.note(streamId, 0, false);
    this.#soonTimer ??= setTimeout(() => this.#announceCreated(), SOON_MS);
  }

  note(streamId: string, head: number, hasEnded: boolean): void {
    this.#changed.set(streamId, { head, hasEnded, timesLeft: TIMES_TOLD });
  }

  close(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#soonTimer);
  }

  #announceCreated(): void {
    this.#soonTimer = undefined;
    this.#publish(Array.from(this.#created, (streamId) => ({ streamId, head: 0, hasEnded: false })));
    this.#created.clear();
  }

  #announce(): void {
    const streams: TailAnnouncement["streams"][number][] = [];
    for (const [streamId, change] of this.#changed) {
      streams.push({ streamId, head: change.head, hasEnded: change.hasEnded });
      if (--change.timesLeft === 0) this.#changed.delete(streamId);
    }
    this.#publish(streams);
  }

  #publish(streams: TailAnnouncement["streams"][number][]): void {
    do {
      this.#liveFeed.publishTail({
        partition: this.#partition,
        term: this.#term,
        serial: ++this.#serial,
        checkpoint: this.#position(),
        streams: streams.splice(0, MAX_STREAMS_TOLD),
      });
    } while (streams.length > 0);
  }
}

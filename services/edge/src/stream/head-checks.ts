import { partitionOf } from "@sluice/core";
import type { Logger } from "@sluice/runtime";
import type { StreamFeed } from "./stream-feed.ts";

// The interval is cut into this many rounds, so that the checks of many streams don't come at once. Each stream has one
// of its own, by its id: so it is looked at within an interval whenever it was joined, and then once in each.
const ROUNDS = 60;

// Without this bound the check of all after a reconnect is a burst of as many Redis reads as there are streams.
const MAX_AT_ONCE = 16;

/**
 * Looks at the heads of the followed streams: of each once in an interval, and of those asked for as soon as may be,
 * a few at a time. It is what finds a lost last message when every faster way has failed.
 */
export class HeadChecks {
  readonly #feeds: () => Iterable<StreamFeed>;
  readonly #logger: Logger;
  readonly #queue = new Set<StreamFeed>();
  readonly #timer: NodeJS.Timeout;
  #nextRound = 0;
  #running = 0;
  #isClosed = false;

  constructor(feeds: () => Iterable<StreamFeed>, intervalMs: number, logger: Logger) {
    this.#feeds = feeds;
    this.#logger = logger;
    this.#timer = setInterval(() => this.#round(), intervalMs / ROUNDS);
    this.#timer.unref();
  }

  /** Once each, however often it is asked for before its turn. */
  request(feeds: Iterable<StreamFeed>): void {
    for (const feed of feeds) this.#queue.add(feed);
    this.#work();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#queue.clear();
  }

  #round(): void {
    const round = this.#nextRound;
    this.#nextRound = (round + 1) % ROUNDS;
    const feeds = [...this.#feeds()];
    this.request(feeds.filter(({ streamId }) => partitionOf(streamId, ROUNDS) === round));
  }

  #work(): void {
    for (const feed of this.#queue) {
      if (this.#running >= MAX_AT_ONCE || this.#isClosed) return;
      this.#queue.delete(feed);
      this.#running++;
      void this.#check(feed);
    }
  }

  async #check(feed: StreamFeed): Promise<void> {
    try {
      await feed.checkHead();
    } catch (error) {
      this.#logger.debug({ err: error, streamId: feed.streamId }, "could not check a head");
    } finally {
      this.#running--;
      this.#work();
    }
  }
}

import { StreamError, type Phase } from "@sluice/core";
import type { EdgeContext } from "./context.ts";
import { HeadWaiter } from "./head-waiter.ts";
import { StreamFeed, type FeedListener } from "./stream-feed.ts";
import { Subscriber, type Reading } from "./subscriber.ts";
import { PendingStreams } from "./pending-streams.ts";
import { TickBatcher } from "./tick-batcher.ts";

/** The streams that this pod follows. One feed a stream, however many readers it has. */
export class Hub {
  readonly pendingStreams: PendingStreams;
  readonly #context: EdgeContext;
  readonly #feeds = new Map<string, StreamFeed>();
  readonly #barriers = new TickBatcher<boolean>();
  readonly #lingering = new Map<StreamFeed, NodeJS.Timeout>();

  constructor(context: EdgeContext) {
    this.#context = context;
    this.pendingStreams = new PendingStreams(
      context.settings.maxWaiting,
      context.settings.maxWaitingPerAddress,
    );
  }

  get size(): number {
    return this.#feeds.size;
  }

  feed(streamId: string): StreamFeed | undefined {
    return this.#feeds.get(streamId);
  }

  feeds(): Iterable<StreamFeed> {
    return this.#feeds.values();
  }

  countListeners(): Record<Phase | "waiting", number> {
    const counts = { replay: 0, live: 0, lagging: 0, ended: 0, waiting: 0 };
    for (const feed of this.#feeds.values()) {
      for (const listener of feed.listeners) counts[listener.phase]++;
    }
    return counts;
  }

  /** How many read the stream here, long polls included. */
  countReaders(streamId: string): number {
    return this.#feeds.get(streamId)?.listeners.size ?? 0;
  }

  /**
   * A new reader of a stream; it holds live data from now on. The caller sees to it that it leaves.
   * @throws StreamError OVERLOADED where too many streams are followed
   */
  join(streamId: string, reading: Reading): Subscriber {
    return this.#attach(streamId, (feed, onLeave) => new Subscriber(feed, reading, this.#context, onLeave));
  }

  /** Someone who waits for a stream to go on; otherwise as `join`. */
  watch(streamId: string): HeadWaiter {
    return this.#attach(streamId, (feed, onLeave) => new HeadWaiter(feed, onLeave));
  }

  /** Something was heard of a stream: it exists, whatever was known of it before. */
  onSign(streamId: string): void {
    this.#context.lookup.forgetUnknown(streamId);
    this.pendingStreams.wake(streamId);
  }

  /** Drops everything; readers are to be disconnected before. */
  close(): void {
    for (const feed of this.#feeds.values()) this.#drop(feed);
  }

  #attach<Listener extends FeedListener>(
    streamId: string,
    create: (feed: StreamFeed, onLeave: (listener: Listener) => void) => Listener,
  ): Listener {
    const feed = this.#feeds.get(streamId) ?? this.#follow(streamId);
    clearTimeout(this.#lingering.get(feed));
    this.#lingering.delete(feed);
    const listener = create(feed, (leaving) => this.#onLeave(feed, leaving));
    feed.listeners.add(listener);
    return listener;
  }

  #follow(streamId: string): StreamFeed {
    const { settings, lookup } = this.#context;
    if (this.#feeds.size >= settings.maxStreams) {
      throw new StreamError("OVERLOADED", "too many streams are followed here; try again");
    }
    const partition = lookup.partitionOf(streamId);
    const feed = new StreamFeed(streamId, partition, this.#context, {
      barrier: () => this.#barrier(partition),
      onSign: () => this.onSign(streamId),
    });
    this.#feeds.set(streamId, feed);
    return feed;
  }

  /** One barrier serves all streams of a partition that ask in the same turn. */
  #barrier(partition: number): Promise<boolean> {
    const { liveFeed, settings } = this.#context;
    return this.#barriers.ask(String(partition), () =>
      liveFeed.barrier(partition, settings.barrierTimeoutMs),
    );
  }

  #onLeave(feed: StreamFeed, listener: FeedListener): void {
    feed.listeners.delete(listener);
    if (feed.listeners.size > 0 || this.#feeds.get(feed.streamId) !== feed) return;
    if (!feed.isKnown) {
      this.#drop(feed);
      return;
    }
    const timer = setTimeout(() => this.#drop(feed), this.#context.settings.feedLingerMs);
    timer.unref();
    this.#lingering.set(feed, timer);
  }

  #drop(feed: StreamFeed): void {
    clearTimeout(this.#lingering.get(feed));
    this.#lingering.delete(feed);
    this.#feeds.delete(feed.streamId);
    feed.close();
  }
}

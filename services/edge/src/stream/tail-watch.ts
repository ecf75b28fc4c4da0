import type { LiveFeed, Subscription, TailAnnouncement } from "@sluice/core";
import type { HeadChecks } from "./head-checks.ts";
import type { Hub } from "./hub.ts";
import type { StreamFeed } from "./stream-feed.ts";

/**
 * Listens to what the partitions' owners say each second of the streams that changed. A hole in the live feed shows
 * only when something later arrives; a lost last message shows here. Where an announcement is itself missing, or the
 * connection was away, all streams concerned are looked at.
 */
export class TailWatch {
  readonly #hub: Hub;
  readonly #headChecks: HeadChecks;
  readonly #subscriptions: readonly Subscription[];
  /** Announcements by partition: the last of each. */
  readonly #latest = new Map<number, { term: string; serial: number }>();

  constructor(liveFeed: LiveFeed, hub: Hub, headChecks: HeadChecks) {
    this.#hub = hub;
    this.#headChecks = headChecks;
    this.#subscriptions = [
      liveFeed.subscribeTails((tail) => this.#onTail(tail)),
      liveFeed.onReconnect(() => this.#onReconnect()),
    ];
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.close();
  }

  #onTail(tail: TailAnnouncement): void {
    const latest = this.#latest.get(tail.partition);
    this.#latest.set(tail.partition, { term: tail.term, serial: tail.serial });
    for (const { streamId, head } of tail.streams) {
      this.#hub.onSign(streamId);
      this.#hub.feed(streamId)?.onAnnouncedHead(head);
    }
    if (latest === undefined || (latest.term === tail.term && latest.serial === tail.serial - 1)) return;
    this.#headChecks.request(this.#feedsOf(tail.partition));
  }

  #onReconnect(): void {
    for (const feed of this.#hub.feeds()) feed.mistrust();
    this.#headChecks.request(this.#hub.feeds());
  }

  *#feedsOf(partition: number): Iterable<StreamFeed> {
    for (const feed of this.#hub.feeds()) {
      if (feed.partition === partition) yield feed;
    }
  }
}

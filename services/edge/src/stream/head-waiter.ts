import type { LiveRange } from "@sluice/core";
import type { FeedListener, StreamFeed } from "./stream-feed.ts";

/** Waits for a stream to get past a sequence, without reading it: a long poll reads once something is there. */
export class HeadWaiter implements FeedListener {
  readonly phase = "waiting";
  readonly #feed: StreamFeed;
  readonly #onLeave: (waiter: HeadWaiter) => void;
  #knownHead = 0;
  #wake: () => void = () => {};
  #hasLeft = false;

  constructor(feed: StreamFeed, onLeave: (waiter: HeadWaiter) => void) {
    this.#feed = feed;
    this.#onLeave = onLeave;
  }

  /** Resolves when a page that is read from now on, and what `past` hears, leave no hole between them. */
  async confirmed(): Promise<void> {
    await this.#feed.confirmed();
  }

  /** The stream was found: its feed is kept for the next poll. */
  markKnown(): void {
    this.#feed.isKnown = true;
  }

  /** Resolves when the stream is past the sequence (maybe already), has ended or can't be followed, or the signal says so. */
  async past(sequence: number, signal: AbortSignal): Promise<void> {
    if (this.#hasLeft || signal.aborted || this.#knownHead > sequence) return;
    await new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
      this.#wake = () => {
        if (this.#hasLeft || this.#knownHead > sequence) resolve();
      };
    });
  }

  onLive(range: LiveRange): void {
    this.catchUp(range.last);
  }

  onHeartbeat(): void {}

  catchUp(head: number): void {
    if (head <= this.#knownHead) return;
    this.#knownHead = head;
    this.#wake();
  }

  disconnect(): void {
    this.leave();
  }

  /** Idempotent. */
  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#wake();
    this.#onLeave(this);
  }
}

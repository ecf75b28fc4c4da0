import { StreamError } from "@sluice/core";
import { AddressCounts } from "@sluice/runtime";
import type { RetryWindow } from "./retry-window.ts";

/** Client that waits for a stream that nobody knows yet. */
export interface Wait {
  streamId: string;
  /** Address of the client: each has so many places at most. */
  address: string;
  /** How long it waits. */
  retryWindow: RetryWindow;
  /** Whether it has gone, or is told something else. */
  isOver(): boolean;
}

/**
 * Places for those who wait for a stream that nobody knows yet. Each keeps a subscription and asks again and again, for
 * ids that anybody can make up: so there are only so many, and of those only so many for one client.
 */
export class PendingStreams {
  readonly #places: number;
  readonly #placesPerAddress: number;
  readonly #byAddress = new AddressCounts();
  readonly #waits = new Map<string, Set<Wait>>();
  #taken = 0;

  constructor(places: number, placesPerAddress: number) {
    this.#places = places;
    this.#placesPerAddress = placesPerAddress;
  }

  /**
   * Looks until something is there, for as long as the retry window lasts and nobody says that it is over.
   * @param look null: the stream isn't known
   * @throws StreamError OVERLOADED where all places are taken, TOO_MANY_REQUESTS where all of the client's are
   */
  async find<Found>(look: () => Promise<Found | null>, wait: Wait): Promise<Found | null> {
    let found = await look();
    if (found !== null || wait.retryWindow.isNone || wait.isOver()) return found;
    this.#enter(wait);
    try {
      while (found === null && !wait.isOver() && (await wait.retryWindow.pause())) found = await look();
    } finally {
      this.#leave(wait);
    }
    return found;
  }

  /** Something was heard of the stream: whoever waits for it looks at once. */
  wake(streamId: string): void {
    for (const { retryWindow } of this.#waits.get(streamId) ?? []) retryWindow.retryNow();
  }

  #enter(wait: Wait): void {
    const { streamId, address } = wait;
    if (this.#taken >= this.#places)
      throw new StreamError("OVERLOADED", "too many wait here for streams that don't exist yet; try again");
    if (this.#byAddress.of(address) >= this.#placesPerAddress) {
      const detail = "too many of your address wait here for streams that don't exist yet; try again";
      throw new StreamError("TOO_MANY_REQUESTS", detail);
    }
    this.#taken++;
    this.#byAddress.add(address, 1);
    const others = this.#waits.get(streamId);
    if (others === undefined) this.#waits.set(streamId, new Set([wait]));
    else others.add(wait);
  }

  #leave(wait: Wait): void {
    const { streamId, address } = wait;
    this.#taken--;
    this.#byAddress.add(address, -1);
    const waits = this.#waits.get(streamId);
    waits?.delete(wait);
    if (waits?.size === 0) this.#waits.delete(streamId);
  }
}

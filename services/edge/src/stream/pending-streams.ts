import { StreamError } from "@sluice/core";
import type { RetryWindow } from "./retry-window.ts";

/**
 * Places for those who wait for a stream that nobody knows yet. Each keeps a subscription and asks again and again, for
 * ids that anybody can make up: so there are only so many.
 */
export class PendingStreams {
  readonly #places: number;
  #taken = 0;

  constructor(places: number) {
    this.#places = places;
  }

  /**
   * Looks until something is there, for as long as the retry window lasts and nobody says that it is over.
   * @param look null: the stream isn't known
   * @throws StreamError OVERLOADED where all places are taken
   */
  async find<Found>(
    look: () => Promise<Found | null>,
    retryWindow: RetryWindow,
    isOver: () => boolean,
  ): Promise<Found | null> {
    let found = await look();
    if (found !== null || retryWindow.isNone) return found;
    if (this.#taken >= this.#places)
      throw new StreamError("OVERLOADED", "too many wait here for streams that don't exist yet; try again");
    this.#taken++;
    try {
      while (found === null && !isOver() && (await retryWindow.pause())) found = await look();
    } finally {
      this.#taken--;
    }
    return found;
  }
}

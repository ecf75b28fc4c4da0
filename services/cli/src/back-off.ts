import { setTimeout as delay } from "node:timers/promises";

const BASE_MS = 250;
const MAX_MS = 10_000;

/** Back-off between attempts: doubling, jittered, at least what the server asks for, with an overall deadline. */
export class BackOff {
  readonly #giveUpAfterMs: number;
  #failures = 0;
  #failingSinceMs: number | null = null;

  /** @param giveUpAfterMs without one success between; 0: never */
  constructor(giveUpAfterMs: number) {
    this.#giveUpAfterMs = giveUpAfterMs;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#failingSinceMs = null;
  }

  /**
   * Waits before the next attempt.
   * @param atLeastMs what the server asked for
   * @returns false, at once, where the deadline would pass before the wait ends
   * @throws the signal's reason once it is aborted
   */
  async wait(atLeastMs: number, signal: AbortSignal): Promise<boolean> {
    const now = performance.now();
    this.#failingSinceMs ??= now;
    const growing = Math.min(BASE_MS * 2 ** this.#failures, MAX_MS);
    this.#failures++;
    const waitMs = Math.max(atLeastMs, growing * (0.5 + Math.random() / 2));
    if (this.#giveUpAfterMs > 0 && now + waitMs - this.#failingSinceMs > this.#giveUpAfterMs) return false;
    await delay(waitMs, undefined, { signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw error;
    });
    return true;
  }
}

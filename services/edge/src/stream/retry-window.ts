import { backOffMs } from "@sluice/core";

const BACK_OFF = { baseMs: 10, maxMs: 500, jitter: 0.5 };

/**
 * Back-off between failed attempts, with an overall deadline. `cancel` wakes the waiter at once,
 * so that nothing of it stays behind when its owner goes.
 */
export class RetryWindow {
  readonly #limitMs: number;
  #sinceMs: number | null = null;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #wake: (() => void) | undefined;
  #isCancelled = false;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  get isNone(): boolean {
    return this.#limitMs <= 0;
  }

  /** Things went on: the next try in vain is the first again. */
  renew(): void {
    this.#sinceMs = null;
    this.#failures = 0;
  }

  /** @returns false, at once, where there was no progress for longer than the limit; else true after the pause */
  async pause(): Promise<boolean> {
    this.#sinceMs ??= performance.now();
    if (performance.now() - this.#sinceMs > this.#limitMs) return false;
    if (this.#isCancelled) return true;
    const ms = backOffMs(this.#failures++, BACK_OFF);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#timer = setTimeout(resolve, ms);
    });
    return true;
  }

  /** Ends the pause: there is a reason to try at once. The next try in vain is the first again. */
  retryNow(): void {
    this.#failures = 0;
    clearTimeout(this.#timer);
    this.#wake?.();
  }

  cancel(): void {
    this.#isCancelled = true;
    clearTimeout(this.#timer);
    this.#wake?.();
  }
}

/** A token bucket without a clock of its own: callers pass the time, in whole ms. A time before the last one counts as that. */
export class TokenBucket {
  readonly #ratePerMs: number;
  readonly #burst: number;
  #tokens: number;
  #updatedMs: number;

  /**
   * @param ratePerSecond tokens that flow in; Infinity: no limit
   * @param burst most tokens that gather while nobody takes any; the bucket starts full
   */
  constructor(ratePerSecond: number, burst: number, nowMs: number) {
    this.#ratePerMs = ratePerSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#updatedMs = nowMs;
  }

  /** Takes `count` tokens if they are there. */
  tryTake(count: number, nowMs: number): boolean {
    if (this.#ratePerMs === Infinity) return true;
    this.#refill(nowMs);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Takes them in any case: those that aren't there are owed. */
  take(count: number, nowMs: number): void {
    if (this.#ratePerMs === Infinity) return;
    this.#refill(nowMs);
    this.#tokens -= count;
  }

  /**
   * Whole ms until `tryTake(count)` succeeds, 0 if it does now. A count above the burst is answered as for the burst:
   * such a request can only be let through by its caller, at that price.
   */
  waitMs(count: number, nowMs: number): number {
    this.#refill(nowMs);
    const missing = Math.min(count, this.#burst) - this.#tokens;
    // Up to 1 ms too long: the exact time could be short by a rounding error, and the caller would be refused again.
    return missing <= 0 ? 0 : Math.floor(missing / this.#ratePerMs) + 1;
  }

  /** Tokens that `tryTake` would give now. */
  available(nowMs: number): number {
    this.#refill(nowMs);
    return this.#tokens;
  }

  /** True once it is full: forgetting the bucket then loses nothing. */
  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens >= this.#burst;
  }

  #refill(nowMs: number): void {
    const elapsed = Math.max(0, nowMs - this.#updatedMs);
    this.#updatedMs = Math.max(nowMs, this.#updatedMs);
    if (elapsed > 0) this.#tokens = Math.min(this.#burst, this.#tokens + elapsed * this.#ratePerMs);
  }
}

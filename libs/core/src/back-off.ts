export interface BackOffOptions {
  /** Delay after the first failure, ms. */
  readonly baseMs: number;
  /** Longest delay, ms. */
  readonly maxMs: number;
  /**
   * Share of the delay that is random, so that clients which failed together don't retry together: 0 is none of it.
   * Default: 1, all of it.
   */
  readonly jitter?: number;
}

/**
 * Delay before the next attempt, ms: `baseMs`, doubled with each failure after the first up to `maxMs`, less a random
 * part of it that is at most `jitter`.
 *
 * @param failures in a row before this one, from 0
 * @param random from 0 to 1
 */
export function backOffMs(
  failures: number,
  { baseMs, maxMs, jitter = 1 }: BackOffOptions,
  random: number = Math.random(),
): number {
  return Math.min(maxMs, baseMs * 2 ** failures) * (1 - jitter * random);
}

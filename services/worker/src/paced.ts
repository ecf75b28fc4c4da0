import { setTimeout as delay } from "node:timers/promises";

/** Time, as pacing needs it: monotonic, and its own tests can stand still. */
export interface Pacer {
  nowMs(): number;
  /** @throws the signal's reason once it is aborted */
  waitMs(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemPacer: Pacer = {
  nowMs: () => performance.now(),
  async waitMs(ms, signal) {
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  },
};

/**
 * Yields the items at a rate. Each is due at a time counted from the start, so timers that fire late and a taker that
 * was slow cost no pace: what is overdue follows at once.
 * @param perSecond 0: as fast as they are taken
 * @throws the signal's reason once it is aborted
 */
export async function* paced<T>(
  items: Iterable<T>,
  perSecond: number,
  signal: AbortSignal,
  pacer: Pacer = systemPacer,
): AsyncGenerator<T, void, undefined> {
  const startMs = pacer.nowMs();
  let index = 0;
  for (const item of items) {
    signal.throwIfAborted();
    if (perSecond > 0) {
      const dueMs = startMs + (index * 1000) / perSecond;
      // A timer may fire a little early: ask the clock again, or the pace would creep ahead.
      for (let leftMs = dueMs - pacer.nowMs(); leftMs > 0; leftMs = dueMs - pacer.nowMs()) {
        await pacer.waitMs(Math.ceil(leftMs), signal);
      }
    }
    yield item;
    index++;
  }
}

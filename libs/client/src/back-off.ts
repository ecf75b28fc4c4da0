import { backOffMs } from "@sluice/core";

const STEP = { baseMs: 500, maxMs: 30_000 };
// Without this bound a proxy that asks for a week would end the stream silently; timers above 24 days fire at once.
const MAX_FLOOR_MS = 3_600_000;

/**
 * Computes the wait before the next attempt, in milliseconds: the time that the server asked for, at most an hour, plus
 * full jitter that doubles from half a second with each failure, up to half a minute.
 * @param failures attempts that failed since the last frame arrived, from 0
 */
export function delayMs(failures: number, floorMs: number): number {
  return Math.min(floorMs, MAX_FLOOR_MS) + backOffMs(failures, STEP);
}

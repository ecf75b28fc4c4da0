const STEP_MS = 500;
const MAX_STEP_MS = 30_000;
// Without this bound a proxy that asks for a week would end the stream silently; timers above 24 days fire at once.
const MAX_FLOOR_MS = 3_600_000;

/**
 * Computes the wait before the next attempt, in milliseconds: the time that the server asked for, at most an hour, plus
 * full jitter that doubles from half a second with each failure, up to half a minute. Written out here: `backOffMs` of
 * core would cost a bundle 47 bytes.
 * @param failures attempts that failed since the last frame arrived
 */
export function backOffMs(failures: number, floorMs: number): number {
  return Math.min(floorMs, MAX_FLOOR_MS) + Math.random() * Math.min(MAX_STEP_MS, STEP_MS * 2 ** failures);
}

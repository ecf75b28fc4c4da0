const STEP_MS = 500;
const MAX_STEP_MS = 30_000;
// A proxy that asks for a week would otherwise end the stream without saying so; longer timers fire at once, too.
const MAX_FLOOR_MS = 3_600_000;

/**
 * Delay before the next attempt, ms: the one that the server asked for, and full jitter on top that grows with each
 * failed attempt since the last byte came. Written out here: `backOffMs` of core would cost a bundle 47 bytes.
 */
export function backOffMs(failures: number, floorMs: number): number {
  return Math.min(floorMs, MAX_FLOOR_MS) + Math.random() * Math.min(MAX_STEP_MS, STEP_MS * 2 ** failures);
}

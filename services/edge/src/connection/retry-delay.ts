/** Half to one and a half times the middle, so that clients of a pod that goes don't come back in one moment. */
export function jitteredRetryMs(middleMs: number): number {
  return middleMs * (0.5 + Math.random());
}

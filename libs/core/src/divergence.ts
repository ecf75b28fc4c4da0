/**
 * The log was put back from an older copy of itself, or made anew: what it held after a position is lost, and the
 * positions are used again. What was numbered from the lost part is known to readers, so it must not be numbered twice.
 */
export interface Divergence {
  /** The last broker sequence at which the log is still the one that it was. */
  after: number;
  /** When it was noticed, ms; the name of the *era* that it begins. */
  recordedMs: number;
}

/** The era of a log with these divergences; 0: it never diverged. */
export function eraOf(divergences: readonly Divergence[]): number {
  return divergences.at(-1)?.recordedMs ?? 0;
}

/**
 * Where something stands that was at a broker sequence in an earlier era: at the divergence, if the log has lost what it
 * stood on.
 */
export function realign(brokerSequence: number, era: number, divergences: readonly Divergence[]): number {
  let aligned = brokerSequence;
  for (const { after, recordedMs } of divergences) {
    if (recordedMs > era) aligned = Math.min(aligned, after);
  }
  return aligned;
}

/** Whether a divergence lies after one message and before the other. */
export function isDivergenceBetween(
  divergences: readonly Divergence[],
  brokerSequence: number,
  later: number,
): boolean {
  return divergences.some(({ after }) => brokerSequence <= after && after < later);
}

/** With one more, which begins the newest era. Those behind it are forgotten: nothing that they tell apart is left. */
export function addDivergence(
  divergences: readonly Divergence[],
  after: number,
  nowMs: number,
): readonly Divergence[] {
  const recordedMs = Math.max(nowMs, eraOf(divergences) + 1);
  return [...divergences.filter((earlier) => earlier.after < after), { after, recordedMs }];
}

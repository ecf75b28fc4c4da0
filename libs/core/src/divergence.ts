/**
 * The log was put back from an older copy of itself, or made anew: what it held after a position is lost, and the
 * positions are used again. What was numbered from the lost part is known to readers, so no number of it may be given
 * again.
 */
export interface Divergence {
  /** The last broker sequence at which the log is still the one that it was. */
  after: number;
  /** No message of the lost part is younger than this, and every message written since is, ms. */
  lostUntilMs: number;
  /** Jumps count the position after `after` as this one: above every position that was numbered before. */
  resumesAt: number;
}

/**
 * Positions that may have been numbered beyond the checkpoints seen when a divergence was recorded. Without this margin,
 * an owner with a batch still in hand could have announced a number that is given again.
 */
const RESUME_MARGIN = 1_000_000;

/**
 * Where something stands that was left at a broker sequence by a message of the given time: at the divergence, if the
 * log has lost that message.
 */
export function realign(
  brokerSequence: number,
  timestampMs: number,
  divergences: readonly Divergence[],
): number {
  let aligned = brokerSequence;
  for (const { after, lostUntilMs } of divergences) {
    if (timestampMs <= lostUntilMs) aligned = Math.min(aligned, after);
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

/** The position that jumps are made of: the broker sequence, made unique over all divergences. */
export function positionOf(brokerSequence: number, divergences: readonly Divergence[]): number {
  const last = divergences.findLast(({ after }) => after < brokerSequence);
  return last === undefined ? brokerSequence : last.resumesAt + (brokerSequence - last.after - 1);
}

/**
 * Adds a divergence. Those behind it are forgotten, since nothing that they tell apart is left in the log.
 * @param lost the highest broker sequence that was applied before, and the time of the youngest message that was
 */
export function addDivergence(
  divergences: readonly Divergence[],
  after: number,
  lost: { brokerSequence: number; timestampMs: number },
): readonly Divergence[] {
  const highest = positionOf(lost.brokerSequence, divergences);
  // The time, too, for a log that was put back without its last divergence: positions begin as times in ms.
  const resumesAt = Math.max(highest, lost.timestampMs) + RESUME_MARGIN;
  const added = { after, lostUntilMs: lost.timestampMs, resumesAt };
  return [...divergences.filter((earlier) => earlier.after < after), added];
}

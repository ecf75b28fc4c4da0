import type { Checkpoint, PartitionLog } from "@sluice/core";

/**
 * Whether the log is still the one that the checkpoint was taken of. Null if so; else the last broker sequence that
 * both have, after which the log holds other messages than were applied.
 *
 * A log made anew shows it by its creation time. One that was put back from an older copy ends before the checkpoint,
 * or has by now another message in its place; everything that the copy holds is older than the checkpoint's message,
 * and everything written since is newer. A checkpoint whose message is gone (aged out, deleted) proves nothing, and
 * counts as the same.
 */
export async function divergenceFrom(log: PartitionLog, checkpoint: Checkpoint): Promise<number | null> {
  const { createdMs, lastSequence } = await log.facts();
  if (createdMs !== checkpoint.logCreatedMs) return createdMs - 1;
  const isShorter = lastSequence < checkpoint.brokerSequence;
  if (!isShorter) {
    const timestampMs = await log.timestampAt(checkpoint.brokerSequence);
    if (timestampMs === null || checkpoint.timestampMs === 0 || timestampMs === checkpoint.timestampMs)
      return null;
  }
  return Math.min(lastSequence, await log.positionBefore(checkpoint.timestampMs + 1));
}

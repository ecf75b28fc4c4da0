import type { AppliedEntry, LogEntry } from "@sluice/core";
import { heartbeatFrame } from "@sluice/protocol";

/**
 * Frames of the heartbeats in an applied batch, the last one of each stream that is open after it. What was applied before
 * is left out: a heartbeat says something of now, or nothing.
 */
export function liveHeartbeatsOf(
  entries: readonly LogEntry[],
  applied: readonly Pick<AppliedEntry, "status" | "isDuplicate">[],
): Map<string, Uint8Array> {
  const frames = new Map<string, Uint8Array>();
  for (const [index, { streamId, heartbeat }] of entries.entries()) {
    const outcome = applied[index];
    if (outcome?.status !== "open") frames.delete(streamId);
    else if (heartbeat !== undefined && !outcome.isDuplicate)
      frames.set(streamId, Buffer.from(heartbeatFrame(streamId, heartbeat)));
  }
  return frames;
}

import type { AppliedEntry, LiveRange, LogEntry } from "@sluice/core";
import { deletedFrame, elementFrames } from "@sluice/protocol";

/**
 * What readers are to be told of an applied batch: one range for each run of a stream's consecutive sequences, in the
 * order of the batch, frames encoded once for everybody.
 */
export function liveRangesOf(
  entries: readonly LogEntry[],
  applied: readonly Pick<AppliedEntry, "first" | "count" | "status">[],
): { streamId: string; range: LiveRange }[] {
  const open = new Map<
    string,
    { streamId: string; first: number; last: number; isTerminal: boolean; frames: string }
  >();
  const all: { streamId: string; first: number; last: number; isTerminal: boolean; frames: string }[] = [];
  for (const [index, entry] of entries.entries()) {
    const outcome = applied[index];
    if (outcome === undefined) throw new Error("the cache answered for fewer entries than it was given");
    if (outcome.count === 0) continue;
    const { streamId } = entry;
    const last = outcome.first + outcome.count - 1;
    const frames = entry.isTombstone
      ? deletedFrame(streamId, last)
      : elementFrames(streamId, outcome.first, entry.elements.slice(0, outcome.count));
    const run = open.get(streamId);
    if (run !== undefined && run.last + 1 === outcome.first) {
      run.last = last;
      run.frames += frames;
      run.isTerminal = outcome.status !== "open";
      continue;
    }
    const started = { streamId, first: outcome.first, last, isTerminal: outcome.status !== "open", frames };
    open.set(streamId, started);
    all.push(started);
  }
  return all.map(({ streamId, first, last, isTerminal, frames }) => ({
    streamId,
    range: { first, last, isTerminal, frames: Buffer.from(frames) },
  }));
}

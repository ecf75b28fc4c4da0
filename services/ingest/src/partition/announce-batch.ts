import type { LiveFeed, LiveRange } from "@sluice/core";
import { deletedFrame, elementFrames, heartbeatFrame } from "@sluice/protocol";
import type { IngestMetrics } from "../metrics.ts";
import type { AppliedMessage } from "./batches.ts";
import type { TailAnnouncer } from "./tail-announcer.ts";

export interface AnnounceOptions {
  liveFeed: Pick<LiveFeed, "publishRange" | "publishHeartbeat">;
  tail: Pick<TailAnnouncer, "note" | "noteCreated">;
  metrics: IngestMetrics;
}

/** Tells the edges what a batch brought, and counts it. Costs no wait. */
export function announceBatch(batch: readonly AppliedMessage[], options: AnnounceOptions): void {
  const { liveFeed, tail, metrics } = options;
  noteEmpty(batch, tail);
  for (const { streamId, range } of liveRangesOf(batch)) {
    liveFeed.publishRange(streamId, range);
    tail.note(streamId, range.last, range.isTerminal);
  }
  for (const [streamId, frame] of liveHeartbeatsOf(batch)) liveFeed.publishHeartbeat(streamId, frame);
  countBatch(batch, metrics);
}

interface Run {
  streamId: string;
  first: number;
  last: number;
  isTerminal: boolean;
  frames: string;
}

/** One range for each run of a stream's consecutive sequences, in the order of the batch; frames are encoded once for all. */
export function liveRangesOf(batch: readonly AppliedMessage[]): { streamId: string; range: LiveRange }[] {
  const open = new Map<string, Run>();
  const all: Run[] = [];
  for (const { entry, outcome } of batch) {
    const { first, count, status } = outcome;
    if (count === 0) continue;
    const { streamId } = entry;
    const last = first + count - 1;
    const isTerminal = status !== "open";
    const frames = entry.isTombstone
      ? deletedFrame(streamId, last)
      : elementFrames(streamId, first, entry.elements.slice(0, count));
    const run = open.get(streamId);
    if (run !== undefined && run.last + 1 === first) {
      run.last = last;
      run.frames += frames;
      run.isTerminal = isTerminal;
      continue;
    }
    const started = { streamId, first, last, isTerminal, frames };
    open.set(streamId, started);
    all.push(started);
  }
  return all.map(({ streamId, frames, ...range }) => ({
    streamId,
    range: { ...range, frames: Buffer.from(frames) },
  }));
}

/**
 * Frames of the heartbeats in a batch: the last one of each stream that is open after it. One that was applied before is
 * left out, since a heartbeat is about the present.
 */
export function liveHeartbeatsOf(batch: readonly AppliedMessage[]): Map<string, Uint8Array> {
  const frames = new Map<string, Uint8Array>();
  for (const { entry, outcome } of batch) {
    const { streamId, heartbeat } = entry;
    if (outcome.status !== "open") frames.delete(streamId);
    else if (heartbeat !== undefined && !outcome.isDuplicate)
      frames.set(streamId, Buffer.from(heartbeatFrame(streamId, heartbeat)));
  }
  return frames;
}

/**
 * Announces streams that were created, and the heads of streams whose messages were written before, by another owner or
 * by a call whose answer was lost. The writer may have died before it told the edges, and the last chunk would wait for
 * their slowest check.
 */
function noteEmpty(batch: readonly AppliedMessage[], tail: AnnounceOptions["tail"]): void {
  for (const { entry, outcome } of batch) {
    const { first, count, status } = outcome;
    if (count > 0) continue;
    if (first > 1) tail.note(entry.streamId, first - 1, status !== "open");
    else if (status === "open") tail.noteCreated(entry.streamId);
  }
}

function countBatch(batch: readonly AppliedMessage[], metrics: IngestMetrics): void {
  let [chunks, bytes, duplicates] = [0, 0, 0];
  for (const { message, outcome } of batch) {
    chunks += outcome.count;
    if (outcome.isDuplicate) duplicates++;
    else bytes += message.payload.byteLength;
    if (outcome.count > 0 && outcome.status !== "open") metrics.ends.inc({ status: outcome.status });
  }
  metrics.chunks.inc(chunks);
  metrics.bytes.inc(bytes);
  metrics.duplicates.inc(duplicates);
  metrics.batchMessages.observe(batch.length);
  const [oldest] = batch;
  if (oldest === undefined) return;
  metrics.lagSeconds.observe(Math.max(0, Date.now() - oldest.message.timestampMs) / 1000);
}

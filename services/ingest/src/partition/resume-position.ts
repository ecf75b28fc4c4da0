import {
  realign,
  type Checkpoint,
  type ChunkCache,
  type Divergence,
  type LogFacts,
  type PartitionLog,
} from "@sluice/core";
import type { Logger } from "@sluice/runtime";
import { endsStream } from "../endings/ends-stream.ts";
import type { IngestMetrics } from "../metrics.ts";
import { PartitionAddress } from "./partition-address.ts";
import type { SharedCall } from "./shared-call.ts";

export interface PositionOptions {
  log: PartitionLog;
  cache: ChunkCache;
  /** One for all partitions of a replica, which after a reconnect are all in doubt at once. */
  logState: SharedCall<LogState>;
  settings: { chunkTtlSeconds: number };
  metrics: Pick<IngestMetrics, "divergences">;
  logger: Logger;
}

/** All partitions' checkpoints, and after them the log. */
export interface LogState {
  checkpoints: ReadonlyMap<number, Checkpoint>;
  facts: LogFacts;
}

/**
 * Reads the checkpoints, then the log. In the other order a checkpoint that moves on meanwhile would seem to be beyond
 * the log's end.
 */
export async function lookAtLog(log: PartitionLog, cache: ChunkCache): Promise<LogState> {
  const checkpoints = await readCheckpoints(log, cache);
  return { checkpoints, facts: await log.facts() };
}

/**
 * Where to read a partition on: its checkpoint, once it is certain that the log is still the one that it was taken of.
 * Without a checkpoint, early enough for everything that could still be in the cache.
 *
 * Where the log has lost what was applied, that is recorded with the log, and the checkpoint goes back to the
 * divergence. All partitions' checkpoints are looked at: a stream of a partition that lost nothing jumps, too, and must
 * not be told otherwise before its owner knows.
 */
export async function settlePosition(
  partition: number,
  options: PositionOptions,
): Promise<{ position: Checkpoint; divergences: readonly Divergence[] }> {
  const { log, cache, metrics, logger } = options;
  for (;;) {
    const { checkpoints, facts } = await options.logState.ask();
    const logState = checkpoints.get(partition);
    if (logState === undefined) {
      await seed(partition, facts, options);
      continue;
    }
    const after = await divergenceFrom(log, facts, [...checkpoints.values()]);
    if (after !== null) {
      metrics.divergences.inc();
      logger.error({ after, checkpoint: logState }, "the log has lost what was applied: streams jump");
      await log.recordDivergence(after, furthest([...checkpoints.values()]), facts.divergences);
      continue;
    }
    const position = await aligned(log, facts, logState);
    if (position === logState) return { position, divergences: facts.divergences };
    await cache.replaceCheckpoint(partition, logState, position);
  }
}

async function readCheckpoints(log: PartitionLog, cache: ChunkCache): Promise<Map<number, Checkpoint>> {
  const partitions = Array.from({ length: log.partitions }, (_, partition) => partition);
  const found = await Promise.all(partitions.map((partition) => cache.readCheckpoint(partition)));
  return new Map(found.flatMap((checkpoint, index) => (checkpoint === null ? [] : [[index, checkpoint]])));
}

async function seed(
  partition: number,
  facts: LogFacts,
  { log, cache, settings }: PositionOptions,
): Promise<void> {
  const brokerSequence = await log.positionBefore(Date.now() - settings.chunkTtlSeconds * 1000);
  // Before the checkpoint: whoever takes over half-way begins anew.
  await listOpenStreams(partition, brokerSequence, log, cache);
  const timestampMs = (await log.timestampAt(brokerSequence)) ?? 0;
  await cache.seedCheckpoint(partition, { brokerSequence, timestampMs, logCreatedMs: facts.createdMs });
}

/**
 * Reading on from `upTo` would not find the streams that are open and silent: they could never be ended as such. That they
 * are on the list is enough, their records come back when somebody asks for them.
 */
async function listOpenStreams(
  partition: number,
  upTo: number,
  log: PartitionLog,
  cache: ChunkCache,
): Promise<void> {
  const address = new PartitionAddress(partition, log.partitions);
  for await (const messages of log.lastMessages(partition)) {
    const open = messages
      .filter(({ streamId }) => address.has(streamId))
      .filter((message) => message.brokerSequence <= upTo && !endsStream(message))
      .map(({ streamId, timestampMs }) => ({ streamId, updatedMs: timestampMs }));
    await cache.listOpenStreams(partition, open);
  }
}

/** Where a checkpoint stands in the log as it is now: itself, or the divergence. */
async function aligned(log: PartitionLog, facts: LogFacts, logState: Checkpoint): Promise<Checkpoint> {
  const brokerSequence = alignedSequence(facts, logState);
  if (brokerSequence === logState.brokerSequence && logState.logCreatedMs === facts.createdMs)
    return logState;
  const timestampMs = (await log.timestampAt(brokerSequence)) ?? 0;
  return { brokerSequence, timestampMs, logCreatedMs: facts.createdMs };
}

function alignedSequence(facts: LogFacts, { brokerSequence, timestampMs, logCreatedMs }: Checkpoint): number {
  const isOfThisLog = logCreatedMs === facts.createdMs;
  return isOfThisLog ? realign(brokerSequence, timestampMs, facts.divergences) : facts.createdMs - 1;
}

/**
 * The last broker sequence up to which the log is what the checkpoints were taken of; null if it holds all of that, or
 * the divergence is on record. A log made anew begins with one.
 * A log put back from an older copy ends before the furthest checkpoint, or has by now another message in its place.
 * What the copy holds is older than that checkpoint's message, and what was written since is newer. A checkpoint whose
 * message is gone (aged out, deleted) proves nothing, and counts as the same.
 */
async function divergenceFrom(
  log: PartitionLog,
  facts: LogFacts,
  checkpoints: readonly Checkpoint[],
): Promise<number | null> {
  const { createdMs, divergences, lastSequence } = facts;
  const isMadeAnew = checkpoints.some((checkpoint) => checkpoint.logCreatedMs !== createdMs);
  if (isMadeAnew && !divergences.some(({ after }) => after === createdMs - 1)) return createdMs - 1;

  const logState = checkpoints.filter(
    (checkpoint) => alignedSequence(facts, checkpoint) === checkpoint.brokerSequence,
  );
  const last = furthest(logState);
  if (lastSequence >= last.brokerSequence) {
    const timestampMs = await log.timestampAt(last.brokerSequence);
    if (timestampMs === null || last.timestampMs === 0 || timestampMs === last.timestampMs) return null;
  }
  return Math.min(lastSequence, await log.positionBefore(last.timestampMs + 1));
}

/** The highest position and the latest time among checkpoints; zeros where there are none. */
function furthest(checkpoints: readonly Checkpoint[]): { brokerSequence: number; timestampMs: number } {
  let [brokerSequence, timestampMs] = [0, 0];
  for (const checkpoint of checkpoints) {
    brokerSequence = Math.max(brokerSequence, checkpoint.brokerSequence);
    timestampMs = Math.max(timestampMs, checkpoint.timestampMs);
  }
  return { brokerSequence, timestampMs };
}

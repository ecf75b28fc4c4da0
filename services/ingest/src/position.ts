import {
  eraOf,
  realign,
  type Checkpoint,
  type ChunkCache,
  type Divergence,
  type LogFacts,
  type PartitionLog,
} from "@sluice/core";
import type { Logger } from "@sluice/runtime";
import type { IngestMetrics } from "./metrics.ts";

export interface PositionDependencies {
  log: PartitionLog;
  cache: ChunkCache;
  settings: { chunkTtlSeconds: number };
  metrics: Pick<IngestMetrics, "divergences">;
  logger: Logger;
}

/**
 * Where to read a partition on: its checkpoint, once it is certain that the log is still the one that it was taken of.
 * Without a checkpoint, early enough for everything that could still be in the cache. Where the log has diverged, that
 * is recorded with the log, and the checkpoint goes back to the divergence.
 */
export async function settlePosition(
  partition: number,
  dependencies: PositionDependencies,
): Promise<{ position: Checkpoint; divergences: readonly Divergence[] }> {
  const { log, cache, metrics, logger } = dependencies;
  for (;;) {
    const facts = await log.facts();
    const standing = (await cache.readCheckpoint(partition)) ?? (await seed(partition, facts, dependencies));
    const era = eraOf(facts.divergences);
    if (standing.logCreatedMs === facts.createdMs && (standing.era ?? 0) === era) {
      const after = await divergenceFrom(log, facts, standing);
      if (after === null) return { position: standing, divergences: facts.divergences };
      metrics.divergences.inc();
      logger.error(
        { partition, checkpoint: standing, after },
        "the log has lost what was applied: streams jump",
      );
      await log.recordDivergence(after, era);
    } else if (standing.logCreatedMs !== facts.createdMs && !facts.divergences.some(isOfCreation(facts))) {
      metrics.divergences.inc();
      logger.error({ partition, checkpoint: standing }, "the log was made anew: streams jump");
      await log.recordDivergence(facts.createdMs - 1, era);
    } else {
      await cache.replaceCheckpoint(partition, standing, await realigned(log, facts, standing));
    }
  }
}

/** A log made anew begins with a divergence from the one before it, if there was one that anybody remembers. */
function isOfCreation(facts: LogFacts): (divergence: Divergence) => boolean {
  return ({ after }) => after === facts.createdMs - 1;
}

async function realigned(log: PartitionLog, facts: LogFacts, standing: Checkpoint): Promise<Checkpoint> {
  const isOfThisLog = standing.logCreatedMs === facts.createdMs;
  const brokerSequence = isOfThisLog
    ? realign(standing.brokerSequence, standing.era ?? 0, facts.divergences)
    : facts.createdMs - 1;
  return {
    brokerSequence,
    timestampMs: (await log.timestampAt(brokerSequence)) ?? 0,
    logCreatedMs: facts.createdMs,
    era: eraOf(facts.divergences),
  };
}

async function seed(
  partition: number,
  facts: LogFacts,
  { log, cache, settings }: PositionDependencies,
): Promise<Checkpoint> {
  const brokerSequence = await log.positionBefore(Date.now() - settings.chunkTtlSeconds * 1000);
  const era = eraOf(facts.divergences);
  return cache.seedCheckpoint(partition, {
    brokerSequence,
    timestampMs: (await log.timestampAt(brokerSequence)) ?? 0,
    logCreatedMs: facts.createdMs,
    ...(era === 0 ? {} : { era }),
  });
}

/**
 * Null if the log still holds what the checkpoint was taken of; else the last broker sequence that both have.
 * A log put back from an older copy ends before the checkpoint, or has by now another message in its place. What the
 * copy holds is older than the checkpoint's message, and what was written since is newer. A checkpoint whose message is
 * gone (aged out, deleted) proves nothing, and counts as the same.
 */
async function divergenceFrom(
  log: PartitionLog,
  { lastSequence }: LogFacts,
  checkpoint: Checkpoint,
): Promise<number | null> {
  if (lastSequence >= checkpoint.brokerSequence) {
    const timestampMs = await log.timestampAt(checkpoint.brokerSequence);
    const isSame = timestampMs === null || timestampMs === checkpoint.timestampMs;
    if (isSame || checkpoint.timestampMs === 0) return null;
  }
  return Math.min(lastSequence, await log.positionBefore(checkpoint.timestampMs + 1));
}

import {
  jumpSequence,
  type AppendOutcome,
  type Checkpoint,
  type ChunkCache,
  type LogEntry,
} from "@sluice/core";
import { describe, expect, it } from "vitest";
import { checkpointAt, contents, write } from "./chunk-cache-steps.ts";
import type { ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
import { logEntry } from "./log-entry-samples.ts";

const BEFORE = [logEntry(1, { firstSequence: 1, texts: ["a", "b"] }), logEntry(2, { texts: ["lost"] })];
/** The log was put back to where it ended with message 1. */
const ERA = 7_000;
const DIVERGENCES = [{ after: 1, recordedMs: ERA }];
const inEra = (brokerSequence: number): Checkpoint => ({ ...checkpointAt(brokerSequence), era: ERA });

/** The log fell back under a cache that had applied all of `BEFORE`: what an owner does about it, and then one batch. */
async function appendAfterDivergence(
  cache: ChunkCache,
  entries: readonly LogEntry[],
): Promise<AppendOutcome> {
  await write(cache, 0, BEFORE);
  await cache.replaceCheckpoint(0, checkpointAt(2), inEra(1));
  const checkpoint = inEra(entries.at(-1)?.brokerSequence ?? 1);
  return cache.append({ partition: 0, readAfter: 1, checkpoint, entries, divergences: DIVERGENCES });
}

export function describeEras(createHarness: () => Promise<ChunkCacheUnderTest>): void {
  describe("a log that has lost what was applied", () => {
    it("puts another checkpoint only in the place of the one that is expected", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      expect(await cache.replaceCheckpoint(0, checkpointAt(2), checkpointAt(1))).toBeNull();
      await cache.seedCheckpoint(0, checkpointAt(5));
      expect(await cache.replaceCheckpoint(0, checkpointAt(2), checkpointAt(1))).toEqual(checkpointAt(5));
      expect(await cache.replaceCheckpoint(0, checkpointAt(5), checkpointAt(3))).toEqual(checkpointAt(3));
      expect(await cache.readCheckpoint(0)).toEqual(checkpointAt(3));
    });

    it("lets a stream jump across the divergence, and keeps what readers have got under the old numbers", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const outcome = await appendAfterDivergence(cache, [logEntry(2, { firstSequence: 3, texts: ["new"] })]);
      const jump = jumpSequence(2);
      expect(outcome).toEqual({ kind: "applied", entries: [{ first: jump, count: 1, status: "open" }] });
      expect(await contents(cache)).toEqual([
        [1, "a"],
        [2, "b"],
        [3, "lost"],
        [jump, "new"],
      ]);
    });

    it("jumps once, and goes on from there", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await appendAfterDivergence(cache, [logEntry(2, { texts: ["new"] }), logEntry(3, { texts: ["next"] })]);
      const later = [logEntry(4, { texts: ["later"] })];
      const batch = { partition: 0, readAfter: 3, checkpoint: inEra(4), divergences: DIVERGENCES };
      expect(await cache.append({ ...batch, entries: later })).toMatchObject({
        entries: [{ first: jumpSequence(2) + 2 }],
      });
      expect(await cache.append({ ...batch, entries: later })).toMatchObject({ entries: [{ count: 0 }] });
    });

    it("writes nothing for an ingester that doesn't know of the divergence, or before the checkpoint does", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, BEFORE);
      const batch = { partition: 0, readAfter: 1, entries: [logEntry(3, { texts: ["new"] })] };
      const knowing = { ...batch, checkpoint: inEra(3), divergences: DIVERGENCES };
      expect(await cache.append(knowing)).toEqual({ kind: "rewind", checkpoint: checkpointAt(2) });
      await cache.replaceCheckpoint(0, checkpointAt(2), inEra(1));
      expect(await cache.append({ ...batch, checkpoint: checkpointAt(3) })).toEqual({
        kind: "rewind",
        checkpoint: inEra(1),
      });
      expect(await cache.append(knowing)).toMatchObject({ kind: "applied" });
    });

    it("begins at 1 with a stream that begins after the divergence", async () => {
      await using harness = await createHarness();
      const begins = logEntry(2, { streamId: "other", firstSequence: 1, texts: ["x"] });
      const outcome = await appendAfterDivergence(harness.cache, [begins]);
      expect(outcome).toMatchObject({ entries: [{ first: 1, count: 1 }] });
    });

    it("trusts no producer's number across a divergence where the record is lost", async () => {
      await using harness = await createHarness();
      const continues = logEntry(2, { streamId: "other", firstSequence: 7, texts: ["x"] });
      const outcome = await appendAfterDivergence(harness.cache, [continues]);
      expect(outcome).toEqual({ kind: "unproven", streamIds: ["other"] });
    });

    it("takes a head that was restored in the new era for what it is", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await appendAfterDivergence(cache, []);
      const sequence = jumpSequence(2);
      const info = {
        streamId: "s",
        head: { sequence, brokerSequence: 2, status: "open" as const, era: ERA },
        chunkCount: 3,
        byteCount: 30,
        createdMs: 1001,
        updatedMs: 1002,
        endedMs: null,
        options: null,
      };
      const completion = { info, snapshotBrokerSequence: 2, isProven: true };
      await cache.restore({ partition: 0, streamId: "s", chunkTtlSeconds: 300, chunks: [], completion });
      expect((await cache.readInfo("s"))?.head).toEqual(info.head);
      const again = [logEntry(2, { texts: ["new"] }), logEntry(3, { texts: ["next"] })];
      const checkpoint = inEra(3);
      expect(
        await cache.append({
          partition: 0,
          readAfter: 1,
          checkpoint,
          entries: again,
          divergences: DIVERGENCES,
        }),
      ).toMatchObject({ entries: [{ count: 0 }, { first: sequence + 1, count: 1 }] });
    });
  });
}

import { jumpSequence, type AppendOutcome, type ChunkCache, type LogEntry } from "@sluice/core";
import { describe, expect, it } from "vitest";
import { checkpointAt, contents, write } from "./chunk-cache-steps.ts";
import type { ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
import { logEntry } from "../log-entry-samples.ts";

const BEFORE = [logEntry(1, { firstSequence: 1, texts: ["a", "b"] }), logEntry(2, { texts: ["lost"] })];
/** The log was put back to where it ended with message 1. */
/** Messages of samples have 1000 + broker sequence as time; those of the new log come later. */
const LOST_UNTIL_MS = 1_002;
const NEW_MS = 5_000;
const RESUMES_AT = 50_000;
const DIVERGENCES = [{ after: 1, lostUntilMs: LOST_UNTIL_MS, resumesAt: RESUMES_AT }];

/** The log fell back under a cache that had applied all of `BEFORE`: what an owner does about it, and then one batch. */
async function appendAfterDivergence(
  cache: ChunkCache,
  entries: readonly LogEntry[],
): Promise<AppendOutcome> {
  await write(cache, 0, BEFORE);
  await cache.replaceCheckpoint(0, checkpointAt(2), checkpointAt(1));
  const checkpoint = checkpointAt(entries.at(-1)?.brokerSequence ?? 1);
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
      const outcome = await appendAfterDivergence(cache, [
        logEntry(2, { firstSequence: 3, texts: ["new"], timestampMs: NEW_MS }),
      ]);
      const jump = jumpSequence(RESUMES_AT);
      expect(outcome).toMatchObject({
        kind: "applied",
        entries: [{ first: jump, count: 1, status: "open" }],
      });
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
      await appendAfterDivergence(cache, [
        logEntry(2, { texts: ["new"], timestampMs: NEW_MS }),
        logEntry(3, { texts: ["next"], timestampMs: NEW_MS }),
      ]);
      const later = [logEntry(4, { texts: ["later"], timestampMs: NEW_MS })];
      const batch = { partition: 0, readAfter: 3, checkpoint: checkpointAt(4), divergences: DIVERGENCES };
      expect(await cache.append({ ...batch, entries: later })).toMatchObject({
        entries: [{ first: jumpSequence(RESUMES_AT) + 2 }],
      });
      expect(await cache.append({ ...batch, entries: later })).toMatchObject({ entries: [{ count: 0 }] });
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
      const sequence = jumpSequence(RESUMES_AT);
      const info = {
        streamId: "s",
        head: { sequence, brokerSequence: 2, status: "open" as const },
        chunkCount: 3,
        byteCount: 30,
        createdMs: 1001,
        updatedMs: NEW_MS,
        endedMs: null,
        options: null,
        beatIntervalMs: null,
      };
      const completion = { info, snapshotBrokerSequence: 2, isProven: true };
      await cache.restore({ partition: 0, streamId: "s", chunkTtlSeconds: 300, chunks: [], completion });
      expect((await cache.readInfo("s"))?.head).toEqual(info.head);
      const again = [
        logEntry(2, { texts: ["new"], timestampMs: NEW_MS }),
        logEntry(3, { texts: ["next"], timestampMs: NEW_MS }),
      ];
      const checkpoint = checkpointAt(3);
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

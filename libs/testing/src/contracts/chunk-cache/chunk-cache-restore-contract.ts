import type { RestoredPage, StreamInfo, StreamStatus } from "@sluice/core";
import { describe, expect, it } from "vitest";
import type { ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
import { append, cachedText, checkpointAt, contents, write } from "./chunk-cache-steps.ts";
import { logEntry, textElement } from "../log-entry-samples.ts";

export function describeRestore(createHarness: () => Promise<ChunkCacheUnderTest>): void {
  describe("restore", () => {
    it("makes chunks readable only when the completion has brought the head", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      expect(
        await cache.restore(
          page([
            [1, "a"],
            [2, "b"],
          ]),
        ),
      ).toBe(true);
      expect(await cache.readPage("s", 0, { maxChunks: 9, maxBytes: 999 })).toBeNull();
      expect(await cache.restore(page([[3, "c"]], { sequence: 3, brokerSequence: 7 }))).toBe(true);
      expect(await contents(cache)).toEqual([
        [1, "a"],
        [2, "b"],
        [3, "c"],
      ]);
      expect(await cache.readInfo("s")).toEqual(info({ sequence: 3, brokerSequence: 7 }));
      expect(await harness.chunksTtlMs("s")).toBeGreaterThan(50_000);
    });

    it("fills holes and leaves every chunk that is there as it is", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(4, { firstSequence: 3, texts: ["c", "d"] })]);
      const head = { sequence: 4, brokerSequence: 4 };
      expect(
        await cache.restore(
          page(
            [
              [1, "a"],
              [2, "b"],
              [3, "other"],
              [4, "other"],
            ],
            head,
          ),
        ),
      ).toBe(true);
      expect(await contents(cache)).toEqual([
        [1, "a"],
        [2, "b"],
        [3, "c"],
        [4, "d"],
      ]);
    });

    it("never lowers a head, and completes what a record that began in the middle can't know", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(4, { firstSequence: 3, texts: ["c"] })]);
      await cache.restore(
        page(
          [
            [1, "a"],
            [2, "b"],
          ],
          { sequence: 2, brokerSequence: 3, options: '{"cache_ttl":40}' },
        ),
      );
      expect(await cache.readInfo("s")).toMatchObject({
        head: { sequence: 3, brokerSequence: 4, status: "open" },
        createdMs: 1001,
        updatedMs: 1004,
        options: '{"cache_ttl":40}',
      });
    });

    it("never takes a message back that changed no number", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(3, { firstSequence: 1, texts: ["a"] }), logEntry(4)]);
      await cache.restore(page([[1, "a"]], { sequence: 1, brokerSequence: 3 }));
      expect((await cache.readInfo("s"))?.head).toMatchObject({ sequence: 1, brokerSequence: 4 });
    });

    it("leaves a record alone that has numbered more than the log now shows", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(4, { firstSequence: 1, texts: ["a", "b", "c"] })]);
      await cache.restore(page([[1, "a"]], { sequence: 1, brokerSequence: 8 }));
      expect((await cache.readInfo("s"))?.head).toMatchObject({ sequence: 3, brokerSequence: 4 });
    });

    it("never opens an ended stream again, and never brings back a deleted one", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const end = textElement("z", { endStatus: "completed" });
      const gone = { streamId: "gone", firstSequence: 1 };
      await write(cache, 0, [
        logEntry(1, { firstSequence: 1, elements: [end] }),
        logEntry(2, { ...gone, texts: ["a"] }),
        logEntry(3, { streamId: "gone", isTombstone: true }),
      ]);
      expect(await cache.restore(page([[2, "b"]], { sequence: 2, brokerSequence: 9 }))).toBe(true);
      expect(await cache.readInfo("s")).toMatchObject({ head: { sequence: 1, status: "completed" } });
      const deleted = await cache.readInfo("gone");
      expect(deleted?.head).toMatchObject({ sequence: 2, status: "deleted" });
      expect(
        await cache.restore({ ...page([[1, "a"]], { sequence: 5, brokerSequence: 9 }), streamId: "gone" }),
      ).toBe(true);
      expect(await cache.readInfo("gone")).toEqual(deleted);
      expect(await contents(cache, "gone")).toEqual([]);
    });

    it("raises the head of a record that has fallen behind, also to its end", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts: ["a"] })]);
      await cache.restore(
        page([[2, "b"]], { sequence: 2, brokerSequence: 6, status: "completed", endedMs: 1006 }),
      );
      expect(await cache.readInfo("s")).toMatchObject({
        head: { sequence: 2, brokerSequence: 6, status: "completed" },
        endedMs: 1006,
      });
    });

    it("takes the chunks away where the log says that the stream was deleted", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts: ["a"] })]);
      await cache.restore(page([], { sequence: 2, brokerSequence: 6, status: "deleted", endedMs: 1006 }));
      expect(await cache.readInfo("s")).toMatchObject({ head: { sequence: 2, status: "deleted" } });
      expect(await contents(cache)).toEqual([]);
    });

    it("writes nothing where it comes too late to create the record", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await cache.seedCheckpoint(0, checkpointAt(8));
      expect(await cache.restore(page([[1, "a"]], { sequence: 1, brokerSequence: 5 }, { snapshot: 7 }))).toBe(
        false,
      );
      expect(await harness.chunksTtlMs("s")).toBeNull();
      expect(await cache.restore(page([[1, "a"]], { sequence: 1, brokerSequence: 5 }, { snapshot: 8 }))).toBe(
        true,
      );
      expect(await contents(cache)).toEqual([[1, "a"]]);
    });

    it("may create a record from an unprovable beginning, but not touch one", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const jump = page([[9216, "x"]], { sequence: 9216, brokerSequence: 9 }, { isProven: false });
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts: ["a"] })]);
      const before = await cache.readInfo("s");
      expect(await cache.restore(jump)).toBe(true);
      expect(await cache.readInfo("s")).toEqual(before);
      await harness.flush();
      expect(await cache.restore(jump)).toBe(true);
      expect(await contents(cache)).toEqual([[9216, "x"]]);
    });

    it("leaves one chunk under a number that an append writes over an unfinished restore", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts: ["a"] })]);
      await cache.restore(
        page([
          [2, "of another version"],
          [4, "d"],
        ]),
      );
      await append(cache, 1, [logEntry(2, { texts: ["b", "c"] })]);
      expect(await contents(cache)).toEqual([
        [1, "a"],
        [2, "b"],
        [3, "c"],
      ]);
      await append(cache, 2, [logEntry(3, { texts: ["d"] })]);
      expect(await contents(cache)).toEqual([
        [1, "a"],
        [2, "b"],
        [3, "c"],
        [4, "d"],
      ]);
    });

    it("takes thousands of chunks in one page", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const chunks = Array.from({ length: 10_000 }, (_, index): [number, string] => [
        index + 1,
        String(index),
      ]);
      await cache.restore(page(chunks, { sequence: 10_000, brokerSequence: 9 }));
      expect(await contents(cache)).toEqual(chunks);
    });
  });
}

interface Outcome {
  sequence: number;
  brokerSequence: number;
  status?: StreamStatus;
  endedMs?: number;
  options?: string;
  beatIntervalMs?: number;
}

function info(outcome: Outcome): StreamInfo {
  const {
    sequence,
    brokerSequence,
    status = "open",
    endedMs = null,
    options = null,
    beatIntervalMs = null,
  } = outcome;
  return {
    streamId: "s",
    head: { sequence, brokerSequence, status },
    chunkCount: 3,
    byteCount: 300,
    createdMs: 1001,
    updatedMs: 1003,
    endedMs,
    options,
    beatIntervalMs,
    cancelRequest: null,
  };
}

function page(
  chunks: readonly [number, string][],
  outcome: Outcome | null = null,
  { snapshot = 9, isProven = true } = {},
): RestoredPage {
  return {
    partition: 0,
    streamId: "s",
    chunkTtlSeconds: 60,
    chunks: chunks.map(([sequence, text]) => cachedText(sequence, text)),
    completion: outcome && { info: info(outcome), snapshotBrokerSequence: snapshot, isProven },
  };
}

import { describe, expect, it } from "vitest";
import type { ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
import { append, checkpointAt, contents, write } from "./chunk-cache-steps.ts";
import { logEntry, rejectedElement, textElement } from "../log-entry-samples.ts";

const FIRST = logEntry(1, { firstSequence: 1, texts: ["a", "b"] });

export function describeAppend(createHarness: () => Promise<ChunkCacheUnderTest>): void {
  describe("append", () => {
    it("gives each element its position as its number", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await cache.seedCheckpoint(0, checkpointAt(0));
      const entries = [
        FIRST,
        logEntry(2, { streamId: "other", firstSequence: 1, texts: ["x"] }),
        logEntry(5, { texts: ["c"] }),
      ];
      expect(await append(cache, 0, entries)).toMatchObject({
        kind: "applied",
        entries: [
          { first: 1, count: 2, status: "open", isDuplicate: false },
          { first: 1, count: 1, status: "open", isDuplicate: false },
          { first: 3, count: 1, status: "open", isDuplicate: false },
        ],
      });
      expect(await contents(cache)).toEqual([
        [1, "a"],
        [2, "b"],
        [3, "c"],
      ]);
      expect(await cache.readCheckpoint(0)).toEqual(checkpointAt(5));
    });

    it("changes nothing when a batch is repeated", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [FIRST]);
      const before = await cache.readInfo("s");
      expect(await append(cache, 0, [FIRST])).toMatchObject({
        kind: "applied",
        entries: [{ first: 3, count: 0, status: "open", isDuplicate: true }],
      });
      expect(await cache.readInfo("s")).toEqual(before);
      expect(await contents(cache)).toEqual([
        [1, "a"],
        [2, "b"],
      ]);
    });

    it("writes only what continues the record when two ingesters overlap", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [FIRST, logEntry(2, { texts: ["c"] })]);
      const overlapping = [logEntry(2, { texts: ["c"] }), logEntry(3, { texts: ["d"] })];
      expect(await append(cache, 1, overlapping)).toMatchObject({
        entries: [{ count: 0 }, { first: 4, count: 1 }],
      });
      expect(await contents(cache)).toEqual([
        [1, "a"],
        [2, "b"],
        [3, "c"],
        [4, "d"],
      ]);
    });

    it("writes nothing and tells the checkpoint where the cache has fallen back", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      expect(await append(cache, 0, [FIRST])).toEqual({ kind: "rewind", checkpoint: null });
      await cache.seedCheckpoint(0, checkpointAt(4));
      expect(await append(cache, 5, [logEntry(6, { firstSequence: 1, texts: ["a"] })])).toEqual({
        kind: "rewind",
        checkpoint: checkpointAt(4),
      });
      expect(await cache.readInfo("s")).toBeNull();
    });

    it("takes the checkpoint of another log for none, until it is seeded anew", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [FIRST]);
      const fresh = logEntry(1, { streamId: "fresh", firstSequence: 1, texts: ["a"] });
      expect(await append(cache, 0, [fresh], 2)).toEqual({ kind: "rewind", checkpoint: checkpointAt(1) });
      expect(await cache.seedCheckpoint(0, checkpointAt(0, 2))).toEqual(checkpointAt(0, 2));
      expect(await append(cache, 0, [fresh], 2)).toMatchObject({ entries: [{ count: 1 }] });
      expect(await append(cache, 1, [logEntry(2, { texts: ["c"] })], 1)).toMatchObject({ kind: "rewind" });
      expect(await cache.seedCheckpoint(0, checkpointAt(9, 1))).toEqual(checkpointAt(1, 2));
    });

    it("keeps a checkpoint that is already further", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [FIRST, logEntry(7, { texts: ["c"] })]);
      await append(cache, 0, [FIRST]);
      expect(await cache.readCheckpoint(0)).toEqual(checkpointAt(7));
      expect(await cache.seedCheckpoint(0, checkpointAt(3))).toEqual(checkpointAt(7));
    });

    it("names all streams whose numbers are unproven and writes nothing of the batch", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await cache.seedCheckpoint(0, checkpointAt(0));
      const entries = [
        FIRST,
        logEntry(2, { streamId: "lost-1", texts: ["x"] }),
        logEntry(3, { streamId: "lost-2", texts: ["y"] }),
        logEntry(4, { streamId: "lost-1", texts: ["z"] }),
      ];
      expect(await append(cache, 0, entries)).toEqual({ kind: "unproven", streamIds: ["lost-1", "lost-2"] });
      expect(await cache.readInfo("s")).toBeNull();
      expect(await cache.readCheckpoint(0)).toEqual(checkpointAt(0));
    });

    it("takes over a proven number where the record is lost, and goes on from it", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(8, { firstSequence: 5, texts: ["e"] }), logEntry(9, { texts: ["f"] })]);
      expect(await contents(cache)).toEqual([
        [5, "e"],
        [6, "f"],
      ]);
    });

    it("numbers up to the terminal chunk and nothing after it", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const last = textElement("end", { endStatus: "completed" });
      await write(cache, 0, [
        logEntry(1, { firstSequence: 1, elements: [textElement("a"), last, textElement("late")] }),
      ]);
      expect(await append(cache, 1, [logEntry(2, { texts: ["later"] })])).toMatchObject({
        kind: "applied",
        entries: [{ first: 3, count: 0, status: "completed", isDuplicate: false }],
      });
      expect(await contents(cache)).toEqual([
        [1, "a"],
        [2, "end"],
      ]);
      expect(await cache.readInfo("s")).toMatchObject({
        head: { sequence: 2, brokerSequence: 2, status: "completed" },
        endedMs: 1001,
      });
    });

    it("deletes the chunks of a stream, open or ended, and gives the tombstone a number", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const ended = logEntry(2, {
        streamId: "t",
        firstSequence: 1,
        elements: [textElement("end", { endStatus: "errored" })],
      });
      await write(cache, 0, [FIRST, ended]);
      const tombstones = [
        logEntry(3, { isTombstone: true }),
        logEntry(4, { streamId: "t", isTombstone: true }),
      ];
      expect(await append(cache, 2, tombstones)).toMatchObject({
        entries: [
          { first: 3, count: 1, status: "deleted" },
          { first: 2, count: 1, status: "deleted" },
        ],
      });
      for (const streamId of ["s", "t"]) {
        expect(await cache.readPage(streamId, 0, { maxChunks: 9, maxBytes: 999 })).toMatchObject({
          status: "deleted",
          hasEnded: true,
          chunks: [],
        });
      }
      expect(await cache.readInfo("s")).toMatchObject({ endedMs: 1003 });
      expect(await cache.readInfo("t")).toMatchObject({ endedMs: 1002 });
    });

    it("keeps a rejected element's number as a placeholder without bytes", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [
        logEntry(1, { firstSequence: 1, elements: [rejectedElement(), textElement("b")] }),
      ]);
      expect(await contents(cache)).toEqual([
        [1, ""],
        [2, "b"],
      ]);
      expect(await cache.readInfo("s")).toMatchObject({ head: { sequence: 2 }, chunkCount: 1 });
    });

    it("keeps two chunks of equal payload apart", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [
        logEntry(1, { firstSequence: 1, texts: ["same", "same"] }),
        logEntry(2, { texts: ["same"] }),
      ]);
      expect(await contents(cache)).toEqual([
        [1, "same"],
        [2, "same"],
        [3, "same"],
      ]);
    });

    it("keeps every digit of numbers above 2^52", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const first = 2 ** 52 + 1;
      const brokerSequence = 2 ** 52 + 5;
      await write(cache, brokerSequence - 1, [
        logEntry(brokerSequence, { firstSequence: first, texts: ["a", "b", "c"] }),
      ]);
      expect(await contents(cache, "s", first)).toEqual([
        [first + 1, "b"],
        [first + 2, "c"],
      ]);
      expect((await cache.readInfo("s"))?.head).toMatchObject({ sequence: first + 2, brokerSequence });
      expect((await cache.readCheckpoint(0))?.brokerSequence).toBe(brokerSequence);
    });

    it("tells with each entry what its stream has come to", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await cache.seedCheckpoint(0, checkpointAt(0));
      const outcome = await append(cache, 0, [FIRST, logEntry(2, { elements: [rejectedElement()] })]);
      const afterFirst = await cache.readInfo("s");
      expect(outcome).toMatchObject({
        entries: [
          { chunkCount: 2, byteCount: afterFirst?.byteCount, createdMs: 1001 },
          { chunkCount: 2, byteCount: afterFirst?.byteCount, createdMs: 1001 },
        ],
      });
      const later = await append(cache, 2, [logEntry(3, { texts: ["c"] })]);
      const info = await cache.readInfo("s");
      expect(info?.byteCount).toBeGreaterThan(afterFirst?.byteCount ?? Infinity);
      expect(later).toMatchObject({
        entries: [{ chunkCount: 3, byteCount: info?.byteCount, createdMs: 1001 }],
      });
    });

    it("remembers how often the producer beats, as its last message says", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts: ["a"], beatIntervalMs: 5_000 })]);
      expect(await cache.readInfo("s")).toMatchObject({ beatIntervalMs: 5_000 });
      await append(cache, 1, [logEntry(2, { beatIntervalMs: 700 })]);
      expect(await cache.readInfo("s")).toMatchObject({ beatIntervalMs: 700 });
      await append(cache, 2, [logEntry(3, { texts: ["from elsewhere"] })]);
      expect(await cache.readInfo("s")).toMatchObject({ beatIntervalMs: null });
    });

    it("takes thousands of elements in one batch", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const entries = Array.from({ length: 20 }, (_, index) =>
        logEntry(index + 1, {
          firstSequence: index * 1000 + 1,
          texts: Array.from({ length: 1000 }, (_, text) => String(text)),
        }),
      );
      await write(cache, 0, entries);
      expect(await contents(cache, "s", 19_998)).toEqual([
        [19_999, "998"],
        [20_000, "999"],
      ]);
      expect(await cache.readInfo("s")).toMatchObject({ chunkCount: 20_000 });
    });

    it("refuses a batch that is out of order, beyond its checkpoint or of another partition", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await expect(append(cache, 0, [logEntry(2), logEntry(1)])).rejects.toThrow("comes after");
      const beyond = { partition: 0, readAfter: 0, checkpoint: checkpointAt(0), entries: [FIRST] };
      await expect(cache.append(beyond)).rejects.toThrow("is below");
      await expect(cache.append({ ...beyond, partition: 1 })).rejects.toThrow("is not of partition 1");
    });
  });
}

import type { ListedStream, RestoredPage } from "@sluice/core";
import { describe, expect, it } from "vitest";
import type { ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
import { append, write } from "./chunk-cache-steps.ts";
import { logEntry, textElement } from "../log-entry-samples.ts";

const end = textElement("end", { endStatus: "completed" });

export function describeOpenStreams(createHarness: () => Promise<ChunkCacheUnderTest>): void {
  describe("open streams", () => {
    it("stand in the order of their last messages, from the first one to the end", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [
        logEntry(1, { streamId: "a", firstSequence: 1 }),
        logEntry(2, { streamId: "b", firstSequence: 1, texts: ["x"] }),
        logEntry(3, { streamId: "c", firstSequence: 1, texts: ["x"] }),
        logEntry(4, { streamId: "born-ended", firstSequence: 1, elements: [end] }),
      ]);
      expect(await cache.readOpenStreams(0, null, 10)).toEqual([open("a", 1), open("b", 2), open("c", 3)]);
      await append(cache, 4, [
        logEntry(5, { streamId: "a", texts: ["y"] }),
        logEntry(6, { streamId: "b", elements: [end] }),
      ]);
      expect(await cache.readOpenStreams(0, null, 10)).toEqual([open("c", 3), open("a", 5)]);
      await append(cache, 6, [logEntry(7, { streamId: "c", isTombstone: true })]);
      expect(await cache.readOpenStreams(0, null, 10)).toEqual([open("a", 5)]);
      await append(cache, 7, [logEntry(8, { streamId: "b", texts: ["after the end"] })]);
      expect(await cache.readOpenStreams(0, null, 10)).toEqual([open("a", 5)]);
    });

    it("come in pages that leave none out, whatever moves meanwhile", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const ids = ["a", "b", "c", "d", "e"];
      // All in the same millisecond.
      await write(
        cache,
        0,
        ids.map((streamId, index) => logEntry(index + 1, { streamId, firstSequence: 1, timestampMs: 7 })),
      );
      const first = await cache.readOpenStreams(0, null, 2);
      expect(first.map((stream) => stream.streamId)).toEqual(["a", "b"]);
      const second = await cache.readOpenStreams(0, first[1] ?? null, 2);
      expect(second.map((stream) => stream.streamId)).toEqual(["c", "d"]);
      await append(cache, 5, [logEntry(6, { streamId: "d", texts: ["x"] })]);
      const rest = await cache.readOpenStreams(0, second[1] ?? null, 10);
      expect(rest.map((stream) => stream.streamId)).toEqual(expect.arrayContaining(["e", "d"]));
      expect(await cache.readOpenStreams(0, open("d", 6), 10)).toEqual([]);
    });

    it("are known again after a restore, and an end that it brings takes them off", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await cache.restore(restored("open", 5_000));
      expect(await cache.readOpenStreams(0, null, 10)).toEqual([{ streamId: "s", updatedMs: 1003 }]);
      expect(await cache.readInfo("s")).toMatchObject({ beatIntervalMs: 5_000 });
      await cache.restore(restored("errored", null));
      expect(await cache.readOpenStreams(0, null, 10)).toEqual([]);
      expect(await cache.readInfo("s")).toMatchObject({ beatIntervalMs: null });
    });

    it("are listed on demand where they don't stand yet, and stay where they stand", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(5, { firstSequence: 1 })]);
      await cache.listOpenStreams(0, []);
      await cache.listOpenStreams(0, [open("lost", 2), open("s", 9)]);
      await cache.listOpenStreams(0, [open("lost", 7)]);
      expect(await cache.readOpenStreams(0, null, 10)).toEqual([open("lost", 2), open("s", 5)]);
      expect(await cache.readInfo("lost")).toBe(null);
    });

    it("are forgotten on demand only where no record says that they are open", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [
        logEntry(1, { firstSequence: 1 }),
        logEntry(2, { streamId: "lost", firstSequence: 1 }),
      ]);
      await harness.dropMeta("lost");
      expect(await cache.readOpenStreams(0, null, 10)).toEqual([open("s", 1), open("lost", 2)]);
      await cache.forgetOpenStream("s");
      await cache.forgetOpenStream("lost");
      expect(await cache.readOpenStreams(0, null, 10)).toEqual([open("s", 1)]);
    });
  });
}

/** Timestamp of a message, as `logEntry` sets it. */
function open(streamId: string, brokerSequence: number): ListedStream {
  return { streamId, updatedMs: 1000 + brokerSequence };
}

function restored(status: "open" | "errored", beatIntervalMs: number | null): RestoredPage {
  const isOpen = status === "open";
  const info = {
    streamId: "s",
    head: { sequence: isOpen ? 3 : 4, brokerSequence: isOpen ? 3 : 4, status },
    chunkCount: 3,
    byteCount: 300,
    createdMs: 1001,
    updatedMs: 1003,
    endedMs: isOpen ? null : 1004,
    options: null,
    beatIntervalMs,
  };
  return {
    partition: 0,
    streamId: "s",
    chunkTtlSeconds: 60,
    chunks: [],
    completion: { info, snapshotBrokerSequence: 9, isProven: true },
  };
}

import {
  byCodeUnits,
  type ChunkCache,
  type ListedStream,
  type RecentQuery,
  type RecentStreams,
} from "@sluice/core";
import { describe, expect, it } from "vitest";
import { append, write } from "./chunk-cache-steps.ts";
import { CACHE_ENDED_STREAMS, type ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
import { logEntry, textElement } from "../log-entry-samples.ts";

const end = textElement("end", { endStatus: "completed" });
const DAY_MS = 24 * 60 * 60 * 1000;

export function describeRecentStreams(createHarness: () => Promise<ChunkCacheUnderTest>): void {
  describe("recent streams", () => {
    it("are all that are open or have ended, by their last messages, newest first", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [
        logEntry(1, { streamId: "a", firstSequence: 1 }),
        logEntry(2, { streamId: "b", firstSequence: 1, elements: [end] }),
        logEntry(3, { streamId: "c", firstSequence: 1 }),
        logEntry(4, { streamId: "a", texts: ["x"] }),
      ]);
      expect(await recent(cache)).toEqual({ streams: [at("a", 4), at("c", 3), at("b", 2)], next: null });
      expect(await recent(cache, { list: "open" })).toEqual({
        streams: [at("a", 4), at("c", 3)],
        next: null,
      });
      expect(await recent(cache, { list: "ended" })).toEqual({ streams: [at("b", 2)], next: null });
      await append(cache, 4, [
        logEntry(5, { streamId: "c", isTombstone: true }),
        logEntry(6, { streamId: "a", elements: [end] }),
        logEntry(7, { streamId: "a", texts: ["after the end"] }),
      ]);
      expect((await recent(cache, { list: "open" })).streams).toEqual([]);
      expect((await recent(cache, { list: "ended" })).streams).toEqual([at("a", 6), at("c", 5), at("b", 2)]);
      await append(cache, 7, [logEntry(8, { streamId: "b", isTombstone: true })]);
      expect((await recent(cache, { list: "ended" })).streams).toEqual([at("b", 8), at("a", 6), at("c", 5)]);
    });

    it("come in pages without a stream left out or twice, also of one millisecond", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const ids = ["a", "B", "b", "-", "_", "0", "ab"];
      await write(
        cache,
        0,
        ids.map((streamId, index) =>
          logEntry(index + 1, {
            streamId,
            firstSequence: 1,
            timestampMs: 7,
            elements: index % 2 === 0 ? [] : [end],
          }),
        ),
      );
      const pages = await all(cache, { limit: 2 });
      expect(pages.map((page) => page.length)).toEqual([2, 2, 2, 1]);
      expect(pages.flat()).toEqual(ids.toSorted(byCodeUnits).toReversed());
      expect((await recent(cache, { limit: ids.length })).next).toBeNull();
    });

    it("go on behind a stream that has moved or ended meanwhile", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(
        cache,
        0,
        ["a", "b", "c", "d"].map((streamId, index) => logEntry(index + 1, { streamId, firstSequence: 1 })),
      );
      const { streams, next } = await recent(cache, { limit: 2 });
      expect(streams).toEqual([at("d", 4), at("c", 3)]);
      await append(cache, 4, [
        logEntry(5, { streamId: "c", texts: ["x"] }),
        logEntry(6, { streamId: "d", elements: [end] }),
      ]);
      expect((await recent(cache, { after: next })).streams).toEqual([at("b", 2), at("a", 1)]);
    });

    it("are those whose ids begin with a prefix", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const ids = ["chat-1", "job.", "chat-2", "chat", "-chat-3"].map((id) => id.replace(".", "_"));
      await write(
        cache,
        0,
        ids.map((streamId, index) => logEntry(index + 1, { streamId, firstSequence: 1 })),
      );
      const streams = (await all(cache, { prefix: "chat-", limit: 1 })).flat();
      expect(streams).toEqual(["chat-2", "chat-1"]);
    });

    it("are known again after a restore, ended and deleted ones, too", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      for (const [streamId, status] of [
        ["open", "open"],
        ["done", "completed"],
        ["gone", "deleted"],
      ] as const) {
        const info = {
          streamId,
          head: { sequence: 1, brokerSequence: 1, status },
          chunkCount: 1,
          byteCount: 10,
          createdMs: 1001,
          updatedMs: 1001,
          endedMs: status === "open" ? null : 1001,
          options: null,
          beatIntervalMs: null,
        };
        const completion = { info, snapshotBrokerSequence: 1, isProven: true };
        await cache.restore({ partition: 0, streamId, chunkTtlSeconds: 60, chunks: [], completion });
      }
      expect((await recent(cache, { list: "ended" })).streams).toEqual([at("gone", 1), at("done", 1)]);
      expect((await recent(cache, { list: "open" })).streams).toEqual([at("open", 1)]);
    });

    it("have a bounded number of ended ones, of which the newest stay", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const ids = Array.from({ length: CACHE_ENDED_STREAMS + 3 }, (_, index) => `s${index}`);
      await write(
        cache,
        0,
        ids.map((streamId, index) =>
          logEntry(index + 1, { streamId, firstSequence: 1, elements: index === 0 ? [] : [end] }),
        ),
      );
      const { streams } = await recent(cache, { list: "ended" });
      const listed = streams.map(({ streamId }) => streamId);
      expect(listed).toEqual(ids.slice(-CACHE_ENDED_STREAMS).toReversed());
      expect((await recent(cache, { list: "open" })).streams).toEqual([at("s0", 1)]);
    });

    it("have no ended ones whose records' life is over", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [
        logEntry(1, { streamId: "old", firstSequence: 1, elements: [end] }),
        logEntry(2, { streamId: "new", firstSequence: 1, timestampMs: 1002 + 6 * DAY_MS, elements: [end] }),
      ]);
      expect((await recent(cache)).streams).toHaveLength(2);
      const newest = logEntry(3, {
        streamId: "newest",
        firstSequence: 1,
        timestampMs: 1002 + 7 * DAY_MS,
        elements: [end],
      });
      await append(cache, 2, [newest]);
      expect((await recent(cache)).streams.map(({ streamId }) => streamId)).toEqual(["newest", "new"]);
    });
  });
}

function recent(cache: ChunkCache, query: Partial<RecentQuery> = {}): Promise<RecentStreams> {
  return cache.readRecentStreams(0, { list: null, prefix: "", after: null, limit: 10, ...query });
}

/** The ids of all pages, page by page. */
async function all(cache: ChunkCache, query: Partial<RecentQuery>): Promise<string[][]> {
  const pages: string[][] = [];
  let after: ListedStream | null = null;
  do {
    const page: RecentStreams = await recent(cache, { ...query, after });
    pages.push(page.streams.map(({ streamId }) => streamId));
    after = page.next;
  } while (after !== null);
  return pages;
}

/** Timestamp of a message, as `logEntry` sets it. */
function at(streamId: string, brokerSequence: number): ListedStream {
  return { streamId, updatedMs: 1000 + brokerSequence };
}

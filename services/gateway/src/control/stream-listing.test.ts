import { byCodeUnits, partitionOf, type ListedStream, type LogElement, type StreamInfo } from "@sluice/core";
import { MemoryChunkCache } from "@sluice/memory";
import { logEntry, textElement } from "@sluice/testing";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decodeCursor, encodeCursor, listStreams, type ListingQuery } from "./stream-listing.ts";

const PARTITIONS = 4;

class CountingCache extends MemoryChunkCache {
  recordsRead = 0;

  constructor() {
    super({ partitions: PARTITIONS });
  }

  override readInfo(streamId: string): Promise<StreamInfo | null> {
    this.recordsRead++;
    return super.readInfo(streamId);
  }
}

type Ending = "open" | "completed" | "errored" | "deleted";

interface Sample {
  streamId: string;
  updatedMs: number;
  status: Ending;
}

/** A cache that has these streams. */
async function cacheOf(samples: readonly Sample[]): Promise<CountingCache> {
  const cache = new CountingCache();
  let position = 0;
  for (const sample of samples) {
    const { streamId, updatedMs: timestampMs, status } = sample;
    const partition = partitionOf(streamId, PARTITIONS);
    const end: LogElement[] =
      status === "completed" || status === "errored" ? [textElement("end", { endStatus: status })] : [];
    const entries = [
      logEntry(++position, { streamId, firstSequence: 1, timestampMs, elements: end }),
      ...(status === "deleted" ? [logEntry(++position, { streamId, timestampMs, isTombstone: true })] : []),
    ];
    const checkpoint = { brokerSequence: position, timestampMs, logCreatedMs: 1 };
    await cache.seedCheckpoint(partition, { ...checkpoint, brokerSequence: 0 });
    await cache.append({ partition, readAfter: 0, checkpoint, entries });
  }
  return cache;
}

async function allPages(
  cache: CountingCache,
  query: Omit<ListingQuery, "after">,
): Promise<{ ids: string[]; pages: number; largest: number }> {
  const ids: string[] = [];
  let [pages, largest] = [0, 0];
  let after: ListedStream | null = null;
  do {
    const listing = await listStreams(cache, PARTITIONS, { ...query, after });
    ids.push(...listing.streams.map(({ streamId }) => streamId));
    pages++;
    largest = Math.max(largest, listing.streams.length);
    after = listing.next === null ? null : decodeCursor(encodeCursor(listing.next));
  } while (after !== null);
  return { ids, pages, largest };
}

const samples = fc.uniqueArray(
  fc.record({
    streamId: fc.stringMatching(/^[ab][ab-]{0,3}$/),
    updatedMs: fc.integer({ min: 1, max: 6 }),
    status: fc.constantFrom<Ending[]>("open", "completed", "errored", "deleted"),
  }),
  { selector: ({ streamId }) => streamId, minLength: 15, maxLength: 40 },
);

test("pages over all partitions hold every stream of the asked status and prefix once, newest message first", async () => {
  await fc.assert(
    fc.asyncProperty(
      samples,
      fc.constantFrom("open", "completed", "errored", "deleted", "ended", null),
      fc.constantFrom("", "a", "b-"),
      fc.integer({ min: 1, max: 7 }),
      async (all, status, prefix, limit) => {
        const wanted = all
          .filter((sample) => sample.streamId.startsWith(prefix))
          .filter(
            (sample) =>
              status === null || sample.status === status || (status === "ended" && sample.status !== "open"),
          )
          .toSorted((a, b) => b.updatedMs - a.updatedMs || byCodeUnits(b.streamId, a.streamId));
        const { ids, largest } = await allPages(await cacheOf(all), { status, prefix, limit });
        expect(ids).toEqual(wanted.map(({ streamId }) => streamId));
        expect(largest).toBeLessThanOrEqual(limit);
      },
    ),
    { numRuns: 150 },
  );
});

test("a rare status costs a bounded number of reads a page, and is found on a later one", async () => {
  const many = Array.from({ length: 2_000 }, (_, index): Sample => {
    return { streamId: `s${index}`, updatedMs: 10 + index, status: "completed" };
  });
  const cache = await cacheOf([{ streamId: "rare", updatedMs: 1, status: "errored" }, ...many]);
  const query = { status: "errored", prefix: "", limit: 50 } as const;
  const first = await listStreams(cache, PARTITIONS, { ...query, after: null });
  expect(first.streams).toEqual([]);
  expect(first.next).not.toBeNull();
  expect(cache.recordsRead).toBeLessThanOrEqual(800);
  const { ids, pages } = await allPages(cache, query);
  expect(ids).toEqual(["rare"]);
  expect(pages).toBeGreaterThan(1);
});

test("a stream whose record is lost is passed over", async () => {
  const cache = await cacheOf([
    { streamId: "a", updatedMs: 1, status: "completed" },
    { streamId: "b", updatedMs: 2, status: "completed" },
  ]);
  cache.dropMeta("b");
  const { ids } = await allPages(cache, { status: "ended", prefix: "", limit: 1 });
  expect(ids).toEqual(["a"]);
});

test.each([
  "",
  "x",
  "!!",
  encodeCursor({ streamId: "a b", updatedMs: 1 }),
  Buffer.from("1e9:a").toString("base64url"),
])("the cursor %j is none", (cursor) => {
  expect(decodeCursor(cursor)).toBeNull();
});

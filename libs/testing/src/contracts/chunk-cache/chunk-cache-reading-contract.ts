import { describe, expect, it } from "vitest";
import type { ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
import { append, cachedText, contents, write } from "./chunk-cache-steps.ts";
import { logEntry, textElement } from "../log-entry-samples.ts";

const CHUNK_BYTES = cachedText(1, "a").json.byteLength;

export function describeReading(createHarness: () => Promise<ChunkCacheUnderTest>): void {
  describe("reading", () => {
    it("knows nothing of a stream that never was", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      expect(await cache.readPage("s", 0, { maxChunks: 9, maxBytes: 999 })).toBeNull();
      expect(await cache.readInfo("s")).toBeNull();
      expect(await cache.readCheckpoint(0)).toBeNull();
    });

    it("starts after the cursor and stops at the bound of chunks", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const texts = Array.from({ length: 200 }, () => "a");
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts })]);
      const page = await cache.readPage("s", 10, { maxChunks: 150, maxBytes: 1e9 });
      expect(page).toMatchObject({ head: 200, status: "open", hasEnded: false });
      expect(page?.chunks.map((chunk) => chunk.sequence)).toEqual(
        texts.slice(0, 150).map((_, index) => index + 11),
      );
      expect(await cache.readPage("s", 200, { maxChunks: 9, maxBytes: 999 })).toMatchObject({
        head: 200,
        chunks: [],
      });
      expect(await cache.readPage("s", 300, { maxChunks: 9, maxBytes: 999 })).toMatchObject({
        head: 200,
        chunks: [],
      });
    });

    it("stops before the chunk that passes the bound of bytes, but has at least one", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts: ["a", "b", "c"] })]);
      const sizeOf = async (maxBytes: number) =>
        (await cache.readPage("s", 0, { maxChunks: 9, maxBytes }))?.chunks.length;
      expect(await sizeOf(2 * CHUNK_BYTES)).toBe(2);
      expect(await sizeOf(2 * CHUNK_BYTES - 1)).toBe(1);
      expect(await sizeOf(1)).toBe(1);
    });

    it("tells head and status without a chunk where none is wanted", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts: ["a", "b"] })]);
      const page = await cache.readPage("s", 0, { maxChunks: 0, maxBytes: 999 });
      expect(page).toEqual({ head: 2, status: "open", hasEnded: false, options: null, chunks: [] });
      expect(await cache.readPage("nobody", 0, { maxChunks: 0, maxBytes: 999 })).toBeNull();
    });

    it("tells the stream's options with each page, as they were given, and after a rebuild, too", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const options = '{"custom":{"ä":"🌊"},"of_tomorrow":[null]}';
      const bounds = { maxChunks: 1, maxBytes: 999 };
      await write(cache, 0, [logEntry(1, { firstSequence: 1, options }), logEntry(2, { texts: ["a", "b"] })]);
      expect(await cache.readPage("s", 0, bounds)).toMatchObject({ head: 2, options });
      expect(await cache.readPage("s", 1, bounds)).toMatchObject({ head: 2, options });

      const info = await cache.readInfo("s");
      if (info === null) throw new Error("there is no record");
      const restored = { info: { ...info, streamId: "r" }, snapshotBrokerSequence: 2, isProven: true };
      await cache.restore({
        partition: 0,
        streamId: "r",
        chunkTtlSeconds: 60,
        chunks: [],
        completion: restored,
      });
      expect(await cache.readPage("r", 0, bounds)).toMatchObject({ head: 2, options });
    });

    it("gives back the bytes of a chunk unchanged", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const text = 'naïve — 流 🌊 "quoted" \\ 12:34\u2028\u0000';
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts: [text] })]);
      const page = await cache.readPage("s", 0, { maxChunks: 9, maxBytes: 999 });
      expect(Buffer.from(page?.chunks[0]?.json ?? []).equals(cachedText(1, text).json as Buffer)).toBe(true);
    });

    it("tells of a stream as a whole, by the log's times", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [
        logEntry(1, { firstSequence: 1, options: '{"cache_ttl":60}' }),
        logEntry(2, { texts: ["a"] }),
        logEntry(3, { elements: [textElement("z", { endStatus: "cancelled" })] }),
      ]);
      expect(await cache.readInfo("s")).toEqual({
        streamId: "s",
        head: { sequence: 2, brokerSequence: 3, status: "cancelled" },
        chunkCount: 2,
        byteCount: 2 * CHUNK_BYTES,
        createdMs: 1001,
        updatedMs: 1003,
        endedMs: 1003,
        options: '{"cache_ttl":60}',
        beatIntervalMs: null,
        cancelRequest: null,
      });
    });

    it("keeps chunks as long as the longest of them asks, and an append never shortens it", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const brief = logEntry(1, { firstSequence: 1, options: '{"cache_ttl":20}', texts: ["a"] });
      await write(cache, 0, [brief]);
      expect(await harness.chunksTtlMs("s")).toSatisfy(isAbout(20));
      await append(cache, 1, [
        logEntry(2, { elements: [textElement("b", { cacheTtlSeconds: 900 }), textElement("c")] }),
      ]);
      expect(await harness.chunksTtlMs("s")).toSatisfy(isAbout(900));
      await append(cache, 2, [logEntry(3, { elements: [textElement("d", { cacheTtlSeconds: 5 })] })]);
      expect(await harness.chunksTtlMs("s")).toSatisfy(isAbout(900));
      await append(cache, 3, [logEntry(4, { streamId: "plain", firstSequence: 1, texts: ["a"] })]);
      expect(await harness.chunksTtlMs("plain")).toSatisfy(isAbout(300));
      const onlyBrief = [textElement("a", { cacheTtlSeconds: 5 })];
      await append(cache, 4, [logEntry(5, { streamId: "brief", firstSequence: 1, elements: onlyBrief })]);
      expect(await harness.chunksTtlMs("brief")).toSatisfy(isAbout(5));
    });

    it("renews the chunks' life when less than half of it is left, and only then", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts: ["a"] })]);
      await harness.expireChunksIn("s", 160_000);
      await contents(cache);
      expect(await harness.chunksTtlMs("s")).toSatisfy(isAbout(160));
      await harness.expireChunksIn("s", 140_000);
      await contents(cache);
      await expect.poll(() => harness.chunksTtlMs("s")).toSatisfy(isAbout(300));
    });

    it("renews the chunks' life to what the longest of them asked, whatever came after it", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      const long = textElement("a", { cacheTtlSeconds: 900 });
      await write(cache, 0, [
        logEntry(1, { firstSequence: 1, elements: [long] }),
        logEntry(2, { texts: ["b"] }),
      ]);
      await append(cache, 2, [logEntry(3, { texts: ["c"] })]);
      await harness.expireChunksIn("s", 440_000);
      await contents(cache);
      await expect.poll(() => harness.chunksTtlMs("s")).toSatisfy(isAbout(900));
    });

    it("goes on after its chunks are lost, with a hole where they were", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts: ["a", "b"] })]);
      await harness.dropChunks("s");
      expect(await cache.readPage("s", 0, { maxChunks: 9, maxBytes: 999 })).toMatchObject({
        head: 2,
        chunks: [],
      });
      await write(cache, 1, [logEntry(2, { texts: ["c"] })]);
      expect(await contents(cache)).toEqual([[3, "c"]]);
    });

    it("knows nothing of a stream whose record alone is lost, until a message proves its number", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts: ["a", "b"] })]);
      await harness.dropMeta("s");
      expect(await cache.readPage("s", 0, { maxChunks: 9, maxBytes: 999 })).toBeNull();
      expect(await append(cache, 1, [logEntry(2, { texts: ["c"] })])).toEqual({
        kind: "unproven",
        streamIds: ["s"],
      });
      await write(cache, 1, [logEntry(2, { firstSequence: 3, texts: ["c"] })]);
      expect(await contents(cache)).toEqual([
        [1, "a"],
        [2, "b"],
        [3, "c"],
      ]);
    });

    it("falls back as a whole, chunks with checkpoint", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(1, { firstSequence: 1, texts: ["a"] })]);
      const rollback = await harness.snapshot();
      await write(cache, 1, [logEntry(2, { texts: ["b"] })]);
      await rollback();
      expect(await append(cache, 2, [logEntry(3, { texts: ["c"] })])).toMatchObject({
        kind: "rewind",
        checkpoint: { brokerSequence: 1 },
      });
      await write(cache, 1, [logEntry(2, { texts: ["b"] }), logEntry(3, { texts: ["c"] })]);
      expect(await contents(cache)).toEqual([
        [1, "a"],
        [2, "b"],
        [3, "c"],
      ]);
    });
  });
}

/** Compares a TTL, and allows for the few seconds that a slow machine takes between writing and looking. */
function isAbout(seconds: number): (ttlMs: number | null) => boolean {
  return (ttlMs) => ttlMs !== null && ttlMs <= seconds * 1000 && ttlMs > seconds * 1000 - 5000;
}

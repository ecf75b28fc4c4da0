import type { LogElement, RestoredPage } from "@sluice/core";
import { describe, expect, it } from "vitest";
import { logEntry, textElement } from "../log-entry-samples.ts";
import { append, checkpointAt, write } from "./chunk-cache-steps.ts";
import type { ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";

/** Minutes that a record is to live. */
const SHORT = 10;
const LONG = 7 * 24 * 60;

/** The end that ingest gives to a silent stream, as the decoder makes it. */
const IDLE_END: LogElement = {
  kind: "chunk",
  body: '"chunk_type":{"type":"Error","error":"Silent.","code":"IDLE_TIMEOUT"},"data":null}',
  endStatus: "errored",
  cacheTtlSeconds: null,
};
const OWN_END: LogElement = { ...IDLE_END, body: IDLE_END.body.replace("IDLE_TIMEOUT", "LLM_ERROR") };

export function describeUnwritten(createHarness: () => Promise<ChunkCacheUnderTest>): void {
  describe("a stream that nobody has written to", () => {
    const created = logEntry(1, { firstSequence: 1, options: '{"cache_ttl":86400}' });

    it("has a record for minutes, whatever its options say, and for days from its first chunk on", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [created]);
      expect(await lifeOf(harness)).toBe(SHORT);
      await append(cache, 1, [logEntry(2, { heartbeat: '"chunk_type":{"type":"Heartbeat"}}' })]);
      expect(await lifeOf(harness)).toBe(SHORT);
      await append(cache, 2, [logEntry(3, { texts: ["a"] })]);
      expect(await lifeOf(harness)).toBe(LONG);
      await append(cache, 3, [logEntry(4)]);
      expect(await lifeOf(harness)).toBe(LONG);
    });

    it("has one for days where its first chunk came in the same batch, or is its own end", async () => {
      for (const elements of [[textElement("a")], [OWN_END], [textElement("a"), IDLE_END]]) {
        await using harness = await createHarness();
        await write(harness.cache, 0, [created, logEntry(2, { elements })]);
        expect(await lifeOf(harness)).toBe(LONG);
      }
    });

    it("keeps its short life when it is ended as silent, and what comes after the end changes nothing", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [created]);
      await append(cache, 1, [logEntry(2, { firstSequence: 1, elements: [IDLE_END] })]);
      expect(await cache.readInfo("s")).toMatchObject({ head: { sequence: 1, status: "errored" } });
      expect(await lifeOf(harness)).toBe(SHORT);
      await append(cache, 2, [logEntry(3, { texts: ["late"] })]);
      expect(await lifeOf(harness)).toBe(SHORT);
    });

    it("lives as long when the log brings it back", async () => {
      for (const [sequence, endsUnwritten, life] of [
        [0, false, SHORT],
        [1, true, SHORT],
        [1, false, LONG],
      ] as const) {
        await using harness = await createHarness();
        await harness.cache.restore(page(sequence, endsUnwritten));
        expect(await lifeOf(harness)).toBe(life);
      }
    });

    it("never shortens the life of a stream that was written to", async () => {
      await using harness = await createHarness();
      await write(harness.cache, 0, [logEntry(1, { firstSequence: 1, texts: ["a", "b"] })]);
      await harness.cache.restore(page(0, false));
      await harness.cache.restore(page(1, true));
      expect(await lifeOf(harness)).toBe(LONG);
    });
  });
}

/** How long the record still lives, in minutes: less than one passes in a test. */
async function lifeOf(harness: ChunkCacheUnderTest): Promise<number> {
  return Math.round(((await harness.recordTtlMs("s")) ?? 0) / 60_000);
}

function page(sequence: number, endsUnwritten: boolean): RestoredPage {
  return {
    partition: 0,
    streamId: "s",
    chunkTtlSeconds: 60,
    chunks: [],
    completion: {
      info: {
        streamId: "s",
        head: { sequence, brokerSequence: 9, status: sequence === 0 ? "open" : "errored" },
        chunkCount: sequence,
        byteCount: sequence,
        createdMs: 1,
        updatedMs: checkpointAt(9).timestampMs,
        endedMs: sequence === 0 ? null : 9,
        options: null,
        beatIntervalMs: null,
      },
      snapshotBrokerSequence: 9,
      isProven: true,
      endsUnwritten,
    },
  };
}

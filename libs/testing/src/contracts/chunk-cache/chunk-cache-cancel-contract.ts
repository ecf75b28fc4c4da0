import type { CancelRequest } from "@sluice/core";
import { describe, expect, it } from "vitest";
import { append, checkpointAt, write } from "./chunk-cache-steps.ts";
import type { ChunkCacheUnderTest } from "./chunk-cache-under-test.ts";
import { logEntry, textElement } from "../log-entry-samples.ts";

const first: CancelRequest = { requestedMs: 1_790_000_000_000, reason: "abandoned" };
const second: CancelRequest = { requestedMs: 1_790_000_000_001, reason: "requested" };
const end = textElement("end", { endStatus: "completed" });

export function describeCancel(createHarness: () => Promise<ChunkCacheUnderTest>): void {
  describe("the wish to stop a stream", () => {
    it("stands in the record of an open stream through all that follows, the first one of several", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(1, { firstSequence: 1 })]);
      expect(await cache.readInfo("s")).toMatchObject({ cancelRequest: null });
      expect(await cache.requestCancel("s", first)).toBe("open");
      expect(await cache.requestCancel("s", second)).toBe("open");
      expect(await cache.readInfo("s")).toMatchObject({ cancelRequest: first, updatedMs: 1001 });
      await append(cache, 1, [logEntry(2, { texts: ["goes on"] })]);
      expect(await cache.readInfo("s")).toMatchObject({ head: { sequence: 1 }, cancelRequest: first });
      await append(cache, 2, [logEntry(3, { elements: [end] })]);
      expect(await cache.readInfo("s")).toMatchObject({
        head: { status: "completed" },
        cancelRequest: first,
      });
    });

    it("changes nothing where the stream has ended, was deleted or is unknown", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [
        logEntry(1, { streamId: "ended", firstSequence: 1, elements: [end] }),
        logEntry(2, { streamId: "deleted", firstSequence: 1 }),
        logEntry(3, { streamId: "deleted", isTombstone: true }),
      ]);
      expect(await cache.requestCancel("ended", first)).toBe("completed");
      expect(await cache.requestCancel("deleted", first)).toBe("deleted");
      expect(await cache.requestCancel("unknown", first)).toBeNull();
      expect(await cache.readInfo("ended")).toMatchObject({ cancelRequest: null });
      expect(await cache.readInfo("deleted")).toMatchObject({ cancelRequest: null });
      expect(await cache.readInfo("unknown")).toBeNull();
    });

    it("is kept by a rebuild, and lost with the record", async () => {
      await using harness = await createHarness();
      const { cache } = harness;
      await write(cache, 0, [logEntry(1, { firstSequence: 1 })]);
      await cache.requestCancel("s", first);
      const { cancelRequest: _, ...info } = (await cache.readInfo("s"))!;
      const snapshotBrokerSequence = checkpointAt(1).brokerSequence;
      const page = {
        partition: 0,
        streamId: "s",
        chunkTtlSeconds: 60,
        chunks: [],
        completion: {
          info: { ...info, head: { ...info.head, brokerSequence: 2 } },
          snapshotBrokerSequence,
          isProven: true,
        },
      };
      await cache.restore(page);
      expect(await cache.readInfo("s")).toMatchObject({ head: { brokerSequence: 2 }, cancelRequest: first });
      await harness.dropMeta("s");
      await cache.restore(page);
      expect(await cache.readInfo("s")).toMatchObject({ head: { brokerSequence: 2 }, cancelRequest: null });
    });
  });
}

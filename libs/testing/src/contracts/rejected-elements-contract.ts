import type { PartitionLog, RejectedElement, RejectedElements } from "@sluice/core";
import { beforeAll, expect, it } from "vitest";
import { describeContract } from "./describe-contract.ts";
import { freshStreamId } from "./log-under-test.ts";

export interface RejectedElementsUnderTest {
  /** Where ingest puts them. Others may have done so before. */
  log: Pick<PartitionLog, "reject">;
  rejected: RejectedElements;
  close(): Promise<void>;
}

/** Promises of every RejectedElements. */
export function rejectedElementsContract(name: string, open: () => Promise<RejectedElementsUnderTest>): void {
  describeContract("RejectedElements", name, open, (contract) => {
    const streamIds = [freshStreamId(), freshStreamId()] as const;
    const texts = ["one", "two", "three", "four", "five"];
    beforeAll(async () => {
      for (const [index, text] of texts.entries()) {
        await contract.subject.log.reject({
          streamId: streamIds[index % 2]!,
          brokerSequence: Number.MAX_SAFE_INTEGER - 10 - Math.floor(Math.random() * 2 ** 40),
          index,
          reason: `no chunk: ${text}`,
          element: Buffer.from(text),
        });
      }
    });

    const newest = (before: number | null, limit: number): Promise<readonly RejectedElement[]> =>
      contract.subject.rejected.readNewest({ before, limit, maxElementBytes: 4 });

    it("gives back what was refused, and why", async () => {
      const [first] = await contract.subject.rejected.readOldest({
        streamId: streamIds[0],
        after: 0,
        limit: 1,
      });
      expect(first).toMatchObject({
        streamId: streamIds[0],
        index: 0,
        reason: "no chunk: one",
        elementBytes: 3,
      });
      expect(textOf(first!)).toBe("one");
    });

    it("reads the oldest first, of one stream where that is asked for, page by page", async () => {
      const page = await contract.subject.rejected.readOldest({ streamId: streamIds[0], after: 0, limit: 2 });
      expect(page.map(textOf)).toEqual(["one", "three"]);
      const rest = await contract.subject.rejected.readOldest({
        streamId: streamIds[0],
        after: page[1]!.position,
        limit: 2,
      });
      expect(rest.map(textOf)).toEqual(["five"]);
      const after = rest[0]!.position;
      expect(await contract.subject.rejected.readOldest({ streamId: streamIds[0], after, limit: 2 })).toEqual(
        [],
      );
    });

    it("reads the newest first, page by page, and of large ones only the beginning", async () => {
      const page = await newest(null, 2);
      expect(page.map(textOf)).toEqual(["five", "four"]);
      const rest = await newest(page[1]!.position, 3);
      expect(rest.map(textOf)).toEqual(["thre", "two", "one"]);
      expect(rest.map(({ elementBytes }) => elementBytes)).toEqual([5, 3, 3]);
      expect(await newest(1, 3)).toEqual([]);
    });
  });
}

function textOf({ element }: RejectedElement): string {
  return Buffer.from(element).toString();
}

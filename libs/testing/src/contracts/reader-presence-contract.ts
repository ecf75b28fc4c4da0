import { expect, it } from "vitest";
import { describeContract } from "./describe-contract.ts";
import type { ReaderPresence, Subscription } from "@sluice/core";
import { freshStreamId } from "./log-under-test.ts";

export interface ReaderPresenceUnderTest {
  asker: ReaderPresence;
  /** Pods on connections of their own. */
  pods: readonly [ReaderPresence, ReaderPresence];
  /** Resolves when `answerPresence` calls made so far are in force for the asker. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 500;

/** Promises of every ReaderPresence. */
export function readerPresenceContract(name: string, open: () => Promise<ReaderPresenceUnderTest>): void {
  describeContract("ReaderPresence", name, open, (contract) => {
    const answer = async (pod: 0 | 1, readers: Record<string, number>): Promise<Subscription> => {
      const subscription = contract.subject.pods[pod].answerPresence((streamId) => readers[streamId] ?? 0);
      return contract.settled(subscription);
    };

    it("adds up the readers of each stream over all pods", async () => {
      const [both, one, none] = [freshStreamId(), freshStreamId(), freshStreamId()];
      await answer(0, { [both]: 2, [one]: 1 });
      await answer(1, { [both]: 3 });
      const counts = await contract.subject.asker.countReaders([none, both, one, both], TIMEOUT_MS);
      expect([both, one, none].map((streamId) => counts.get(streamId) ?? 0)).toEqual([5, 1, 0]);
    });

    it("counts 500 streams at once, whatever their ids", async () => {
      const streamIds = ["__proto__", "constructor", ...Array.from({ length: 498 }, () => freshStreamId())];
      const readers = new Map(streamIds.map((streamId, index) => [streamId, index + 1]));
      contract.keep(contract.subject.pods[0].answerPresence((streamId) => readers.get(streamId) ?? 0));
      await contract.subject.settle();
      const counts = await contract.subject.asker.countReaders(streamIds, TIMEOUT_MS);
      expect(new Map(counts)).toEqual(readers);
    });

    it("says that there is a reader as soon as one pod has one, and that there is none when all have said so", async () => {
      const streamId = freshStreamId();
      await answer(0, {});
      expect(await contract.subject.asker.hasReader(streamId, TIMEOUT_MS)).toBe(false);
      await answer(1, { [streamId]: 1 });
      const startedAt = performance.now();
      expect(await contract.subject.asker.hasReader(streamId, 60_000)).toBe(true);
      expect(performance.now() - startedAt).toBeLessThan(10_000);
    });

    it("doesn't say that nobody reads where no pod is there to be asked, or none any more", async () => {
      const stopped = await answer(0, {});
      stopped.close();
      stopped.close();
      await contract.subject.settle();
      const asked = [freshStreamId()];
      await expect(contract.subject.asker.countReaders(asked, TIMEOUT_MS)).rejects.toMatchObject({
        code: "CONNECTION",
      });
      await expect(contract.subject.asker.hasReader("s", TIMEOUT_MS)).rejects.toMatchObject({
        code: "CONNECTION",
      });
    });
  });
}

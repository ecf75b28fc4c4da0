import { expect, it } from "vitest";
import { describeContract } from "./describe-contract.ts";
import type { CancelAnswer, CancelFeed, CancelReason, Subscription } from "@sluice/core";
import { freshStreamId } from "./log-under-test.ts";

export interface CancelFeedUnderTest {
  reader: CancelFeed;
  owner: CancelFeed;
  producer: CancelFeed;
  /** Resolves when subscriptions made and closed so far are so for everybody. */
  settle(): Promise<void>;
  /** Cuts the owner off for good: the last test does. */
  cutOwnerOff(): Promise<void>;
  close(): Promise<void>;
}

const PARTITION = 3;
const DEADLINE_MS = 5_000;
const SHORT_MS = 100;

/** Promises of every CancelFeed. */
export function cancelFeedContract(name: string, open: () => Promise<CancelFeedUnderTest>): void {
  describeContract("CancelFeed", name, open, (contract) => {
    const keep = async (subscription: Subscription): Promise<Subscription> => {
      return contract.settled(subscription);
    };

    it("carries a wish to the partition's owner, and its answer back", async () => {
      const answers: CancelAnswer[] = [
        { kind: "asked" },
        { kind: "ended", status: "completed" },
        { kind: "ended", status: "cancelled" },
        { kind: "ended", status: "deleted" },
        { kind: "unknown" },
      ];
      const asked: string[] = [];
      await keep(
        contract.subject.owner.answerCancels(PARTITION, async (streamId) => {
          asked.push(streamId);
          return answers[asked.length - 1]!;
        }),
      );
      const streamIds = answers.map(() => freshStreamId());
      for (const [index, streamId] of streamIds.entries()) {
        const answer = await contract.subject.reader.requestCancel(PARTITION, streamId, DEADLINE_MS);
        expect(answer).toEqual(answers[index]);
      }
      expect(asked).toEqual(streamIds);
    });

    it("answers null where the owner is missing, fails, takes too long or has gone", async () => {
      expect(await contract.subject.reader.requestCancel(PARTITION, "s", DEADLINE_MS)).toBeNull();
      const never = new Promise<CancelAnswer>(() => undefined);
      const answering = await keep(
        contract.subject.owner.answerCancels(PARTITION, (streamId) =>
          streamId === "fails" ? Promise.reject(new Error("no")) : never,
        ),
      );
      expect(await contract.subject.reader.requestCancel(PARTITION, "fails", DEADLINE_MS)).toBeNull();
      expect(await contract.subject.reader.requestCancel(PARTITION, "slow", SHORT_MS)).toBeNull();
      expect(await contract.subject.reader.requestCancel(PARTITION + 1, "s", DEADLINE_MS)).toBeNull();
      answering.close();
      answering.close();
      await contract.subject.settle();
      expect(await contract.subject.reader.requestCancel(PARTITION, "slow", DEADLINE_MS)).toBeNull();
    });

    it("tells every producer of the stream why, each time, and no other stream's", async () => {
      const [streamId, other] = [freshStreamId(), freshStreamId()];
      const told: [string, CancelReason][] = [];
      for (const handle of ["a", "b"])
        await keep(contract.subject.producer.onCancel(streamId, (reason) => told.push([handle, reason])));
      await keep(contract.subject.producer.onCancel(other, (reason) => told.push([other, reason])));
      for (const reason of ["requested", "abandoned"] as const)
        expect(await contract.subject.owner.tellProducer(streamId, reason, DEADLINE_MS)).toBe(true);
      await expect.poll(() => told.length, { timeout: DEADLINE_MS }).toBe(4);
      expect(new Set(told.map(String))).toEqual(
        new Set(["a,requested", "b,requested", "a,abandoned", "b,abandoned"]),
      );
    });

    it("says at once that no producer heard it where none is there, or none any more", async () => {
      const streamId = freshStreamId();
      let told = 0;
      const gone = await keep(contract.subject.producer.onCancel(streamId, () => told++));
      gone.close();
      gone.close();
      await contract.subject.settle();
      const startedAt = performance.now();
      expect(await contract.subject.owner.tellProducer(streamId, "requested", 60_000)).toBe(false);
      expect(performance.now() - startedAt).toBeLessThan(10_000);
      expect(told).toBe(0);
    });

    it("doesn't say that no producer is there when it can't reach any", async () => {
      await contract.subject.cutOwnerOff();
      await expect(contract.subject.owner.tellProducer("s", "requested", SHORT_MS)).rejects.toMatchObject({
        code: "CONNECTION",
      });
    });
  });
}

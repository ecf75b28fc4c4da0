import { expect, it } from "vitest";
import { describeContract } from "./describe-contract.ts";
import type { Receipt, ReceiptFeed, StreamHead, Subscription } from "@sluice/core";
import { freshStreamId } from "./log-under-test.ts";

export interface ReceiptFeedUnderTest {
  owner: ReceiptFeed;
  producer: ReceiptFeed;
  /** Resolves when the subscriptions made so far on either side are in force. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

const PARTITION = 3;
const DEADLINE_MS = 5_000;
const DEADLINE = { timeout: DEADLINE_MS };

/** Promises of every ReceiptFeed while nothing is lost. */
export function receiptFeedContract(name: string, open: () => Promise<ReceiptFeedUnderTest>): void {
  describeContract("ReceiptFeed", name, open, (contract) => {
    const keep = <S extends Subscription>(subscription: S): S => {
      return contract.keep(subscription);
    };
    const receipt = (first: number): Receipt => ({ brokerSequence: 2 ** 41 + first, first, count: 2 });

    it("delivers a receipt to the inbox that its address is of, with the number that was asked for", async () => {
      const [mine, others] = [[] as [number, Receipt][], [] as [number, Receipt][]];
      const inbox = keep(contract.subject.producer.openInbox((number, got) => mine.push([number, got])));
      const other = keep(contract.subject.producer.openInbox((number, got) => others.push([number, got])));
      await contract.subject.settle();
      contract.subject.owner.publishReceipt(inbox.addressOf(7), receipt(1));
      contract.subject.owner.publishReceipt(other.addressOf(7), receipt(5));
      contract.subject.owner.publishReceipt(inbox.addressOf(8), receipt(Number.MAX_SAFE_INTEGER - 2 ** 42));
      await expect.poll(() => [mine.length, others.length], DEADLINE).toEqual([2, 1]);
      expect(mine).toEqual([
        [7, receipt(1)],
        [8, receipt(Number.MAX_SAFE_INTEGER - 2 ** 42)],
      ]);
      expect(others).toEqual([[7, receipt(5)]]);
    });

    it("delivers nothing to an inbox that was closed", async () => {
      let received = 0;
      const closed = contract.subject.producer.openInbox(() => received++);
      const open = keep(contract.subject.producer.openInbox(() => received++));
      await contract.subject.settle();
      closed.close();
      closed.close();
      await contract.subject.settle();
      contract.subject.owner.publishReceipt(closed.addressOf(1), receipt(1));
      contract.subject.owner.publishReceipt(open.addressOf(1), receipt(1));
      await expect.poll(() => received, DEADLINE).toBe(1);
    });

    it("tells where a stream stands, as the partition's owner has it", async () => {
      const streamId = freshStreamId();
      const head: StreamHead = { sequence: 42, brokerSequence: 2 ** 41, status: "completed" };
      keep(contract.subject.owner.answerHeads(PARTITION, async (id) => (id === streamId ? head : null)));
      await contract.subject.settle();
      expect(await contract.subject.producer.askHead(PARTITION, streamId, DEADLINE_MS)).toEqual(head);
      expect(await contract.subject.producer.askHead(PARTITION, freshStreamId(), DEADLINE_MS)).toBeNull();
    });

    it("knows no head where the owner is missing, fails or takes too long", async () => {
      const never = new Promise<StreamHead | null>(() => undefined);
      keep(
        contract.subject.owner.answerHeads(PARTITION, (streamId) =>
          streamId === "fails" ? Promise.reject(new Error("no")) : never,
        ),
      );
      await contract.subject.settle();
      expect(await contract.subject.producer.askHead(PARTITION + 1, "a", 50)).toBeNull();
      expect(await contract.subject.producer.askHead(PARTITION, "fails", DEADLINE_MS)).toBeNull();
      expect(await contract.subject.producer.askHead(PARTITION, "slow", 50)).toBeNull();
    });
  });
}

import { jumpSequence, type AppliedEntry, type Receipt } from "@sluice/core";
import { bareMessage, logEntry } from "@sluice/testing";
import { expect, test } from "vitest";
import { tellReceipts } from "./receipts.ts";

const APPLIED: AppliedEntry = {
  first: 1,
  count: 0,
  status: "open",
  isDuplicate: false,
  chunkCount: 0,
  byteCount: 0,
  createdMs: 1,
};

/** Of one message with two texts that its producer numbered from 3. */
function told(outcome: Partial<AppliedEntry>, firstSequence: number | null = 3): Receipt[] {
  const receipts: Receipt[] = [];
  tellReceipts({ publishReceipt: (_to, receipt) => void receipts.push(receipt) }, [
    {
      message: bareMessage("", { receiptTo: "_INBOX.a.1" }),
      entry: logEntry(9, { firstSequence, texts: ["a", "b"] }),
      outcome: { ...APPLIED, ...outcome },
    },
  ]);
  return receipts;
}

test("tells the numbers that a message took, also where they are not those that its producer thought", () => {
  expect(told({ first: 3, count: 2 })).toEqual([{ brokerSequence: 9, first: 3, count: 2 }]);
  expect(told({ first: 40, count: 2 })).toEqual([{ brokerSequence: 9, first: 40, count: 2 }]);
  expect(told({ first: 3, count: 0, status: "completed" })).toEqual([
    { brokerSequence: 9, first: 3, count: 0 },
  ]);
});

test("tells a message that was applied before its own numbers, wherever the stream stands now", () => {
  expect(told({ first: 30, isDuplicate: true })).toEqual([{ brokerSequence: 9, first: 3, count: 2 }]);
});

test("tells nothing that can't be proven: of a duplicate without a number, or of a stream that has jumped", () => {
  expect(told({ first: 30, isDuplicate: true }, null)).toEqual([]);
  expect(told({ first: jumpSequence(2 ** 41), isDuplicate: true })).toEqual([]);
  expect(told({ first: 1, isDuplicate: true })).toEqual([]);
});

test("tells nothing where nobody asked", () => {
  const publishReceipt = (): never => expect.unreachable();
  tellReceipts({ publishReceipt }, [{ message: bareMessage(""), entry: logEntry(9, {}), outcome: APPLIED }]);
});

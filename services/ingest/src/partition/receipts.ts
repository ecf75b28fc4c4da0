import { isJump, type AppliedEntry, type LogEntry, type Receipt, type ReceiptFeed } from "@sluice/core";
import type { AppliedMessage } from "./batches.ts";

/**
 * Tells the numbers of an applied batch to those producers that asked for them. A duplicate counts: whoever wrote it may
 * have died before telling.
 */
export function tellReceipts(
  feed: Pick<ReceiptFeed, "publishReceipt">,
  batch: readonly AppliedMessage[],
): void {
  for (const { message, entry, outcome } of batch) {
    const { receiptTo } = message;
    if (receiptTo === null) continue;
    const receipt = receiptOf(entry, outcome);
    if (receipt !== null) feed.publishReceipt(receiptTo, receipt);
  }
}

function receiptOf(entry: LogEntry, outcome: AppliedEntry): Receipt | null {
  const { brokerSequence, firstSequence } = entry;
  if (!outcome.isDuplicate) return { brokerSequence, first: outcome.first, count: outcome.count };
  // The cache says no more than where the stream stands now; the message's own number is right unless the stream jumped.
  const head = outcome.first - 1;
  const count = entry.elements.length;
  if (firstSequence === null || firstSequence + count - 1 > head || isJump(head)) return null;
  return { brokerSequence, first: firstSequence, count };
}

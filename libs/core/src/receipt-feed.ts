import type { Subscription } from "./live-feed.ts";
import type { StreamHead } from "./sequencing.ts";

/** Receipt of a message: its elements took `first` … `first + count − 1`, and readers can have them. */
export interface Receipt {
  brokerSequence: number;
  first: number;
  count: number;
}

/** Where receipts for one process arrive. */
export interface ReceiptInbox extends Subscription {
  /** Returns the `receiptTo` that a message must carry for its receipt to come with this number. */
  addressOf(number: number): string;
}

/**
 * How producers learn which numbers their messages took. Receipts travel at most once, and an owner that dies between
 * cache and receipt sends none: where one is missing, `askHead` tells.
 */
export interface ReceiptFeed {
  /** Sends a receipt; the caller must have written the message to the cache. */
  publishReceipt(receiptTo: string, receipt: Receipt): void;
  /** @throws StreamError CONNECTION where the connection has been closed */
  openInbox(handler: (number: number, receipt: Receipt) => void): ReceiptInbox;

  /** Where the stream stands in the cache, by its partition's owner; null: no answer within `timeoutMs`, or it isn't there. */
  askHead(partition: number, streamId: string, timeoutMs: number): Promise<StreamHead | null>;
  answerHeads(partition: number, handler: (streamId: string) => Promise<StreamHead | null>): Subscription;
}

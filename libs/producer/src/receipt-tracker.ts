import {
  isJump,
  partitionOf,
  StreamError,
  type EndStatus,
  type Receipt,
  type ReceiptFeed,
  type ReceiptInbox,
  type StreamHead,
} from "@sluice/core";
import { Deadline } from "./deadline.ts";
import type { StoredBatch } from "./publisher.ts";

/** Time without a receipt after which the partition's owner is asked; again after twice that, and so on. */
const FIRST_QUESTION_MS = 1_000;
const ANSWER_TIMEOUT_MS = 1_000;

/** A stored message whose numbers are to be confirmed. */
export interface Unconfirmed extends StoredBatch {
  numberedCount: number;
  endStatus: EndStatus | null;
}

/** Where the receipts of all handles of a manager arrive. Listens from the first one that is asked for. */
export class ReceiptTracker {
  readonly #feed: ReceiptFeed;
  readonly #partitions: number;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, (receipt: Receipt) => void>();
  #inbox: ReceiptInbox | undefined;
  #asked = 0;

  constructor(feed: ReceiptFeed, partitions: number, timeoutMs: number) {
    this.#feed = feed;
    this.#partitions = partitions;
    this.#timeoutMs = timeoutMs;
  }

  /** Registers a message, to be settled with `firstOf` or `forget`. @throws StreamError CONNECTION where none can arrive any more */
  expect(streamId: string): ExpectedReceipt {
    this.#inbox ??= this.#feed.openInbox((number, receipt) => this.#waiting.get(number)?.(receipt));
    const number = ++this.#asked;
    const received = Promise.withResolvers<Receipt>();
    this.#waiting.set(number, received.resolve);
    const askHead = (timeoutMs: number): Promise<StreamHead | null> =>
      this.#feed.askHead(partitionOf(streamId, this.#partitions), streamId, timeoutMs);
    return new ExpectedReceipt({
      streamId,
      address: this.#inbox.addressOf(number),
      received: received.promise,
      askHead,
      timeoutMs: this.#timeoutMs,
      forget: () => void this.#waiting.delete(number),
    });
  }

  close(): void {
    this.#inbox?.close();
  }
}

interface Expectation {
  streamId: string;
  address: string;
  received: Promise<Receipt>;
  askHead: (timeoutMs: number) => Promise<StreamHead | null>;
  timeoutMs: number;
  forget: () => void;
}

/** One message's receipt, on its way, lost, or come. */
export class ExpectedReceipt {
  readonly #options: Expectation;

  constructor(options: Expectation) {
    this.#options = options;
  }

  /** Headers that the message carries. */
  get address(): string {
    return this.#options.address;
  }

  forget(): void {
    this.#options.forget();
  }

  /**
   * The number of the message's first numbered element, once readers can have it: from the receipt, or where that is lost
   * from where the stream stands. @throws StreamError UNCONFIRMED, STREAM_ENDED: it is stored all the same
   */
  async firstOf(message: Unconfirmed): Promise<number> {
    const deadline = new Deadline(this.#options.timeoutMs);
    try {
      for (let waitMs = FIRST_QUESTION_MS; ; waitMs *= 2) {
        const receipt = await this.#receiptWithin(Math.min(waitMs, deadline.remainingMs));
        if (receipt !== null) return this.#assertNumbered(receipt.first, receipt.count, message);
        if (deadline.hasPassed) throw this.#unconfirmed(message);
        const head = await this.#options.askHead(Math.min(ANSWER_TIMEOUT_MS, deadline.remainingMs));
        const first = head === null ? null : this.#firstBy(head, message);
        if (first !== null) return first;
      }
    } finally {
      this.forget();
    }
  }

  #receiptWithin(waitMs: number): Promise<Receipt | null> {
    return new Deadline(waitMs).race<Receipt | null>(this.#options.received, () => null);
  }

  /** Proof of a message by the stream's record; null: nothing (yet). */
  #firstBy(head: StreamHead, message: Unconfirmed): number | null {
    const { brokerSequence, firstSequence, numberedCount, endStatus } = message;
    if (head.brokerSequence < brokerSequence) return null;
    if (head.brokerSequence === brokerSequence) {
      const isBehindEnd = head.status !== "open" && head.status !== endStatus;
      return this.#assertNumbered(
        head.sequence - numberedCount + 1,
        isBehindEnd ? 0 : numberedCount,
        message,
      );
    }
    // Others stand behind it. Then its own number counts, unless the stream has jumped: at this message, for all we know.
    const isCovered = firstSequence !== null && firstSequence + numberedCount - 1 <= head.sequence;
    return isCovered && !isJump(head.sequence) ? firstSequence : null;
  }

  #assertNumbered(first: number, count: number, message: Unconfirmed): number {
    if (count > 0 || message.numberedCount === 0) return first;
    throw this.#stored("STREAM_ENDED", "it came after the end of the stream and takes no number", message);
  }

  #unconfirmed(message: Unconfirmed): StreamError {
    const reason = `its number was not confirmed within ${this.#options.timeoutMs} ms: don't send it again`;
    return this.#stored("UNCONFIRMED", reason, message);
  }

  #stored(
    code: "UNCONFIRMED" | "STREAM_ENDED",
    reason: string,
    { brokerSequence }: Unconfirmed,
  ): StreamError {
    return new StreamError(code, `the chunk is durable on stream ${this.#options.streamId}, but ${reason}`, {
      details: { may_be_stored: true, broker_sequence: brokerSequence },
    });
  }
}

import type { Receipt, ReceiptFeed, ReceiptInbox, StreamHead, Subscription } from "@sluice/core";

type HeadHandler = (streamId: string) => Promise<StreamHead | null>;

/** All ends in one, in one process. Delivers a turn of the event loop later; loses receipts where it is told to. */
export class MemoryReceiptFeed implements ReceiptFeed {
  /** Receipts get lost; heads are still told. */
  losesReceipts = false;
  readonly #inboxes = new Map<string, (number: number, receipt: Receipt) => void>();
  readonly #owners = new Map<number, HeadHandler>();
  #opened = 0;

  get openSubscriptions(): number {
    return this.#inboxes.size + this.#owners.size;
  }

  publishReceipt(receiptTo: string, receipt: Receipt): void {
    if (this.losesReceipts) return;
    const [name = "", number] = receiptTo.split(":");
    setImmediate(() => this.#inboxes.get(name)?.(Number(number), receipt));
  }

  openInbox(handler: (number: number, receipt: Receipt) => void): ReceiptInbox {
    const name = `inbox${++this.#opened}`;
    this.#inboxes.set(name, handler);
    return { addressOf: (number) => `${name}:${number}`, close: () => void this.#inboxes.delete(name) };
  }

  async askHead(partition: number, streamId: string, timeoutMs: number): Promise<StreamHead | null> {
    const handler = this.#owners.get(partition);
    if (handler === undefined) return null;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), timeoutMs);
    });
    const head = await Promise.race([handler(streamId).catch(() => null), tooLate]);
    clearTimeout(timer);
    return head;
  }

  answerHeads(partition: number, handler: HeadHandler): Subscription {
    const entry: HeadHandler = (streamId) => handler(streamId);
    this.#owners.set(partition, entry);
    return {
      close: () => {
        if (this.#owners.get(partition) === entry) this.#owners.delete(partition);
      },
    };
  }
}

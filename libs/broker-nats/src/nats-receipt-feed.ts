import { createInbox, type Msg } from "@nats-io/nats-core";
import type { Receipt, ReceiptFeed, ReceiptInbox, StreamHead, Subscription } from "@sluice/core";
import {
  headAnswerSchema,
  headRequestSchema,
  headSubject,
  parseSequence,
  receiptSchema,
} from "@sluice/protocol";
import type { NatsLink } from "./nats-connection.ts";
import { parseJsonAs, publishLive, subscribe } from "./service-request.ts";

/** Receipts on core NATS, to an inbox that each process has one subscription for. */
export class NatsReceiptFeed implements ReceiptFeed {
  readonly #link: NatsLink;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  publishReceipt(receiptTo: string, { brokerSequence, first, count }: Receipt): void {
    publishLive(this.#link, receiptTo, JSON.stringify({ broker_sequence: brokerSequence, first, count }));
  }

  openInbox(handler: (number: number, receipt: Receipt) => void): ReceiptInbox {
    const inbox = createInbox();
    const subscription = subscribe(this.#link, `${inbox}.*`, (message) => {
      const number = parseSequence(message.subject.slice(inbox.length + 1));
      const receipt = parseJsonAs(receiptSchema, message.data);
      if (number === null || receipt === null) return;
      handler(number, {
        brokerSequence: receipt.broker_sequence,
        first: receipt.first,
        count: receipt.count,
      });
    });
    return {
      addressOf: (number) => `${inbox}.${number}`,
      close: () => subscription.close(),
    };
  }

  async askHead(partition: number, streamId: string, timeoutMs: number): Promise<StreamHead | null> {
    let answer: Msg;
    try {
      answer = await this.#link.connection.request(headSubject(partition), JSON.stringify({ streamId }), {
        timeout: timeoutMs,
      });
    } catch {
      return null;
    }
    return parseJsonAs(headAnswerSchema, answer.data);
  }

  answerHeads(partition: number, handler: (streamId: string) => Promise<StreamHead | null>): Subscription {
    return subscribe(this.#link, headSubject(partition), (message) => {
      const request = parseJsonAs(headRequestSchema, message.data);
      if (request !== null) void answerHead(this.#link, message, handler(request.streamId));
    });
  }
}

async function answerHead(
  link: NatsLink,
  message: Msg,
  answering: Promise<StreamHead | null>,
): Promise<void> {
  const head = await answering.catch(() => null);
  if (message.reply !== undefined && message.reply !== "")
    publishLive(link, message.reply, JSON.stringify(head));
}

import type { StoredMsg } from "@nats-io/jetstream";
import type { RejectedElement, RejectedElements } from "@sluice/core";
import { HEADERS, REJECTED_STREAM, REJECTED_SUBJECTS, rejectedSubject } from "@sluice/protocol";
import { readDirectPage } from "./direct-page.ts";
import { askLog } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";
import { headerOf, millisecondsOfTimestamp, numberOf } from "./stored-message.ts";

/** The JetStream stream `REJECTED`; positions are its sequences. */
export class NatsRejectedElements implements RejectedElements {
  readonly #link: NatsLink;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  async readOldest(page: { streamId?: string; after: number; limit: number }): Promise<RejectedElement[]> {
    const messages = await readDirectPage(this.#link, {
      jetStream: REJECTED_STREAM,
      subject: page.streamId === undefined ? REJECTED_SUBJECTS : rejectedSubject(page.streamId),
      after: page.after,
      maxMessages: page.limit,
    });
    return messages.map((message) => rejectedElement(message));
  }

  /** JetStream reads forwards only, so it is read in ranges that end where the one before began. */
  async readNewest(page: {
    before: number | null;
    limit: number;
    maxElementBytes: number;
  }): Promise<RejectedElement[]> {
    const { state } = await askLog("ask for what was rejected", () =>
      this.#link.jetStreamManager.streams.info(REJECTED_STREAM),
    );
    const newestFirst: RejectedElement[] = [];
    let end = Math.min(page.before ?? Infinity, state.last_seq + 1);
    // Somebody may have deleted some of them: each range that was short makes the next one wider.
    for (let width = page.limit; newestFirst.length < page.limit && end > state.first_seq; width *= 2) {
      const start = Math.max(state.first_seq, end - width);
      const range = await this.#readRange(start, end, page.maxElementBytes);
      newestFirst.push(...range.toReversed());
      end = start;
    }
    return newestFirst.slice(0, page.limit);
  }

  /** Up to `end`, exclusive. */
  async #readRange(start: number, end: number, maxElementBytes: number): Promise<RejectedElement[]> {
    const range: RejectedElement[] = [];
    for (let next = start; next < end;) {
      const messages = await readDirectPage(this.#link, {
        jetStream: REJECTED_STREAM,
        subject: REJECTED_SUBJECTS,
        after: next - 1,
        maxMessages: end - next,
      });
      for (const message of messages) {
        if (message.seq < end) range.push(rejectedElement(message, maxElementBytes));
      }
      next = (messages.at(-1)?.seq ?? end) + 1;
    }
    return range;
  }
}

/** Copies at most the first `maxBytes`: a view would keep the whole message. */
function rejectedElement(message: StoredMsg, maxBytes = Infinity): RejectedElement {
  const { data } = message;
  return {
    position: message.seq,
    streamId: message.subject.slice(message.subject.indexOf(".") + 1),
    brokerSequence: numberOf(message.header, HEADERS.brokerSequence),
    index: numberOf(message.header, HEADERS.elementIndex),
    reason: headerOf(message.header, HEADERS.reason) ?? "",
    rejectedMs: millisecondsOfTimestamp(message.timestamp),
    element: data.byteLength > maxBytes ? data.slice(0, maxBytes) : data,
    elementBytes: data.byteLength,
  };
}

import { HEADERS, REJECTED_STREAM, REJECTED_SUBJECTS, rejectedSubject } from "@sluice/protocol";
import { readDirectPage } from "./direct-page.ts";
import type { NatsLink } from "./nats-connection.ts";
import { headerOf, millisecondsOfTimestamp, numberOf } from "./stored-message.ts";

/** A refused element as it was kept. */
export interface RejectedElement {
  /** Where it stands among the rejected, for paging; says nothing about the log. */
  position: number;
  streamId: string;
  /** The message that it came in, and its place there, from 0. */
  brokerSequence: number | null;
  index: number | null;
  reason: string;
  rejectedMs: number;
  element: Uint8Array;
}

/**
 * One page of what was rejected, oldest first; empty at the end. Pass the last one's `position` as `after` for the next page.
 * @throws StreamError LOG_UNAVAILABLE
 */
export async function listRejected(
  link: NatsLink,
  page: { streamId?: string; after?: number; limit: number },
): Promise<RejectedElement[]> {
  const messages = await readDirectPage(link, {
    jetStream: REJECTED_STREAM,
    subject: page.streamId === undefined ? REJECTED_SUBJECTS : rejectedSubject(page.streamId),
    after: page.after ?? 0,
    maxMessages: page.limit,
  });
  return messages.map((message) => ({
    position: message.seq,
    streamId: message.subject.slice(message.subject.indexOf(".") + 1),
    brokerSequence: numberOf(message.header, HEADERS.brokerSequence),
    index: numberOf(message.header, HEADERS.elementIndex),
    reason: headerOf(message.header, HEADERS.reason) ?? "",
    rejectedMs: millisecondsOfTimestamp(message.timestamp),
    element: message.data,
  }));
}

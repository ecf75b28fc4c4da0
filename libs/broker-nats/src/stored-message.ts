import type { MsgHdrs } from "@nats-io/nats-core";
import type { StoredMessage } from "@sluice/core";
import { HEADERS, isReceiptSubject, streamIdOfChunkSubject } from "@sluice/protocol";

/** Message in the form that all ways to read the log have in common. */
export interface RawMessage {
  /** `chunk.<p>.<id>`. */
  subject: string;
  brokerSequence: number;
  timestampMs: number;
  headers: MsgHdrs | undefined;
  payload: Uint8Array;
}

export function storedMessage(raw: RawMessage): StoredMessage {
  const { headers } = raw;
  return {
    streamId: streamIdOfChunkSubject(raw.subject),
    brokerSequence: raw.brokerSequence,
    timestampMs: raw.timestampMs,
    messageId: headerOf(headers, HEADERS.messageId),
    producerSequence: positive(numberOf(headers, HEADERS.sequence)),
    expectedLastSequence: expectationOf(raw),
    control: headerOf(headers, HEADERS.control) === "delete" ? "delete" : null,
    options: headerOf(headers, HEADERS.options),
    beatIntervalMs: positive(numberOf(headers, HEADERS.beat)),
    receiptTo: receiptSubjectOf(headers),
    payload: raw.payload,
  };
}

/** An expectation about another subject proves nothing about this one. */
function expectationOf(raw: RawMessage): number | null {
  const subject = headerOf(raw.headers, HEADERS.expectedSubject) ?? raw.subject;
  return subject === raw.subject ? numberOf(raw.headers, HEADERS.expectedLastSequence) : null;
}

function receiptSubjectOf(headers: MsgHdrs | undefined): string | null {
  const subject = headerOf(headers, HEADERS.receipt);
  return subject !== null && isReceiptSubject(subject) ? subject : null;
}

export function headerOf(headers: MsgHdrs | undefined, name: string): string | null {
  const value = headers?.get(name) ?? "";
  return value === "" ? null : value;
}

/** Decimal digits that make an exact number; anything else counts as absent, since anyone may publish anything. */
export function numberOf(headers: MsgHdrs | undefined, name: string): number | null {
  const text = headerOf(headers, name);
  if (text === null || !/^\d{1,16}$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

function positive(value: number | null): number | null {
  return value === null || value === 0 ? null : value;
}

/** Where a message stands in the log and in its consumer, from the reply subject that it was delivered with. */
export interface Delivery {
  brokerSequence: number;
  /** Counts the consumer's deliveries, from 1. */
  deliverySequence: number;
  timestampMs: number;
  /** Messages that were left for the consumer after this one. */
  pending: number;
}

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<delivery sequence>.<time>.<pending>`, or the longer form with
 * domain and account in front of the stream. Null where it is neither.
 */
export function parseDelivery(reply: string): Delivery | null {
  const tokens = reply.split(".");
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK") return null;
  const first = tokens.length === 9 ? 5 : 7;
  const nanoseconds = tokens[first + 2];
  if (nanoseconds === undefined) return null;
  return {
    brokerSequence: Number(tokens[first]),
    deliverySequence: Number(tokens[first + 1]),
    timestampMs: millisecondsOfNanoseconds(nanoseconds),
    pending: Number(tokens[first + 3]),
  };
}

/** Cut, never rounded: a chunk's bytes hold this time, and must be the same whichever way the message was read. */
export function millisecondsOfNanoseconds(nanoseconds: string): number {
  return Number(nanoseconds.slice(0, -6));
}

/** The same for the RFC 3339 time of the other API, which has up to nine digits after the second. */
export function millisecondsOfTimestamp(timestamp: string): number {
  return Date.parse(timestamp.replace(/(\.\d{3})\d+/, "$1"));
}

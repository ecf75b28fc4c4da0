import type { StoredMessage } from "./log-entry.ts";

/** A message on its way to the log. Frozen once it was sent: a retry sends the same bytes under the same id. */
export interface OutgoingMessage {
  streamId: string;
  /** One chunk draft or an array of them, JSON in UTF-8. */
  payload: Uint8Array;
  /** Unique for ever: `<random handle id>:<n>`. */
  messageId: string;
  /**
   * Broker sequence of the stream's last message as the sender knows it; 0: there must be none. Null: whatever stands
   * there, which only an end may say, as a second one takes no number.
   */
  expectedLastSequence: number | null;
  /** Number of the first element, or null where the sender can't know it. */
  producerSequence: number | null;
  control?: "delete";
  /** The creating message's options, JSON. */
  options?: string;
  /** The sender beats each so many ms from here on. */
  beatIntervalMs?: number;
  /** Where the partition's owner is to tell its numbers; see ReceiptFeed. */
  receiptTo?: string;
}

export type LogAppendOutcome =
  /** Durable, at this broker sequence. */
  | { kind: "stored"; brokerSequence: number }
  /** The stream's last message is another one than expected. It may even be this one: look with `firstAfter`. */
  | { kind: "conflict" }
  /** No answer: it may have been stored, may be stored yet, or not. */
  | { kind: "unknown"; cause: unknown };

/**
 * The log as producers see it: durable, ordered by stream, compare-and-set.
 * Reads come from the log's leader, so they see every message that was acknowledged before.
 * Throws StreamError LOG_UNAVAILABLE where it can't be reached in time, LOG_FULL where it refuses for want of space,
 * CHUNK_TOO_LARGE where the message is above `maxMessageBytes`.
 */
export interface StreamLog {
  /** Largest payload that can be stored, bytes. */
  readonly maxMessageBytes: number;
  /** Number of partitions that streams are spread over. */
  readonly partitions: number;
  append(message: OutgoingMessage): Promise<LogAppendOutcome>;
  /** The stream's last message, a tombstone included; null if it has none. */
  lastMessage(streamId: string): Promise<StoredMessage | null>;
  /** The stream's first message after a broker sequence; null if there is none. */
  firstAfter(streamId: string, brokerSequence: number): Promise<StoredMessage | null>;
  /** Removes the stream's messages before a broker sequence; that one stays. */
  purgeBefore(streamId: string, brokerSequence: number): Promise<void>;
  /** How full the log is, 0 to 1; 0 where it has no limit. */
  fullness(): Promise<number>;
}

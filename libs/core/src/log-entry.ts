import type { EndStatus } from "./chunk.ts";

/** One message of the log, as stored: the transport's view, nothing decoded. */
export interface StoredMessage {
  streamId: string;
  /** JetStream's sequence: grows over all streams, with holes from one stream's point of view. */
  brokerSequence: number;
  /** When the log stored it, ms since 1970. */
  timestampMs: number;
  /** `Nats-Msg-Id`, or null for a bare publish. */
  messageId: string | null;
  /** `Sluice-Sequence`: the number that the producer gave the first element, or null where it didn't. */
  producerSequence: number | null;
  /** `Nats-Expected-Last-Subject-Sequence`: 0 proves that it was the stream's first message. */
  expectedLastSequence: number | null;
  /** `Sluice-Control`: `delete` marks a tombstone. */
  control: "delete" | null;
  /** `Sluice-Options`: what the creator asked for, JSON; null on all but the creating message. */
  options: string | null;
  /** `Sluice-Beat`: its producer beats each so many ms from here on; null: it makes no such promise. */
  beatIntervalMs: number | null;
  /** `Sluice-Receipt`: where its producer wants to be told which numbers it took; null: nowhere. */
  receiptTo: string | null;
  payload: Uint8Array;
}

/**
 * One numbered element of a message. `body` is the chunk's JSON from `"chunk_type"` to the closing brace, without
 * stream and sequence, so that whoever numbers it only puts a head in front and never parses it.
 * A rejected element keeps its number as a placeholder: numbers must not depend on what a software version accepts.
 */
export type LogElement =
  | {
      kind: "chunk";
      body: string;
      endStatus: EndStatus | null;
      cacheTtlSeconds: number | null;
      /** Set where an Error chunk stands in for an end that was refused. */
      refusal?: string;
    }
  | { kind: "rejected"; reason: string };

/** One decoded message of the log. */
export interface LogEntry {
  streamId: string;
  brokerSequence: number;
  timestampMs: number;
  /**
   * Number of the first element where the message itself proves it: the producer's number, or 1 where the
   * publish demanded an empty subject. Null: only the stream's record or the log before it can tell.
   */
  firstSequence: number | null;
  isTombstone: boolean;
  options: string | null;
  /** How often the stream's producer beats from here on; null: it doesn't. */
  beatIntervalMs: number | null;
  /** Counts the chunks that take a number; heartbeats take none. */
  elements: readonly LogElement[];
  /** Body of the message's last Heartbeat, as that of a chunk; absent where there is none, or that one is invalid. */
  heartbeat?: string;
}

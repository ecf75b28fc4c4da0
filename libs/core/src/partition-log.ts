import type { Divergence } from "./divergence.ts";
import type { StorageSpace } from "./storage-space.ts";
import type { StoredMessage } from "./log-entry.ts";

/** Facts about the log: its identity, its reach and its limits. */
export interface LogFacts {
  /** When it was created, ms: with a message's timestamp the proof that it is still the same log. */
  createdMs: number;
  /** Broker sequence of the oldest message that is still there; last + 1 when it is empty. */
  firstSequence: number;
  lastSequence: number;
  /** Messages older than this may have aged out, ms; Infinity: never. */
  maxAgeMs: number;
  /** Divergences recorded by `recordDivergence`, ascending. */
  divergences: readonly Divergence[];
  /** How full it is, 0 to 1; 0 where it has no limit. */
  fullness: number;
  /** The same in bytes. */
  space: StorageSpace;
}

export interface ConsumeBounds {
  /** Most that is fetched ahead of the reader. The consumer is held back, not the heap filled. */
  maxPendingMessages: number;
  maxPendingBytes: number;
}

/** An open read of one partition. */
export interface PartitionReader {
  /**
   * Messages known to stand in the log behind the last one taken: those fetched already, and what the log last said is
   * left. 0: caught up, as far as is known; Infinity: the log hasn't said yet.
   */
  readonly backlog: number;
  /**
   * All that has arrived and wasn't taken yet, up to the bounds, waiting for at least one message.
   * In log order, without holes, across reconnects of the transport. Resolves to null once closed.
   */
  next(maxMessages: number): Promise<StoredMessage[] | null>;
  /** Idempotent; pending `next` resolves to null. */
  close(): Promise<void>;
}

/** The log as ingest sees it. Throws StreamError LOG_UNAVAILABLE where it can't be reached in time. */
export interface PartitionLog {
  readonly partitions: number;
  facts(): Promise<LogFacts>;
  /**
   * Remembers with the log itself that it has lost what once came after a position, so that every reader of it numbers
   * alike. Does nothing where a divergence was recorded that `known` doesn't have: look at the facts again.
   */
  recordDivergence(
    after: number,
    lost: { brokerSequence: number; timestampMs: number },
    known: readonly Divergence[],
  ): Promise<void>;
  /** When the message at this position was stored, ms; null if it is gone or never was. */
  timestampAt(brokerSequence: number): Promise<number | null>;
  /** The last position at or before which everything was stored before `timeMs`: reading after it misses nothing newer. */
  positionBefore(timeMs: number): Promise<number>;
  /** Reads a partition after a broker sequence, for ever. */
  read(partition: number, after: number, bounds: ConsumeBounds): Promise<PartitionReader>;
  /**
   * A stream's retained messages from `after` (exclusive) up to the last one at the time of the call, in pages in log
   * order, oldest first. Ends without a page where there are none.
   */
  readStream(streamId: string, after: number, pageSize: number): AsyncIterable<readonly StoredMessage[]>;
  /**
   * The last message of each stream of a partition as it is at the time of the call, in pages in log order. Some may be
   * told that are not the last: of a stream's messages the one told last counts. A stream that gets a message meanwhile
   * may be left out: whoever reads the partition gets that one.
   */
  lastMessages(partition: number): AsyncIterable<readonly StoredMessage[]>;
  /**
   * Keeps a refused element for people to look at. At least once: ids make a repeat of the same element harmless.
   * @param rejected.element the element's JSON, or the whole payload if that can't be taken apart
   */
  reject(rejected: {
    streamId: string;
    brokerSequence: number;
    index: number;
    reason: string;
    element: Uint8Array;
  }): Promise<void>;
}

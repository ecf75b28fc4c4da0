import type { StreamStatus } from "./chunk.ts";
import { isDivergenceBetween, positionOf, type Divergence } from "./divergence.ts";
import type { LogEntry } from "./log-entry.ts";

/** Where a stream stands in the numbering: all that is needed to number its next message. */
export interface StreamHead {
  /** Sequence of the last numbered element; 0 before the first. */
  sequence: number;
  /** Broker sequence of the last message that was numbered into it (or came after the end). */
  brokerSequence: number;
  status: StreamStatus;
}

export type Numbering =
  /** The message is at or before the head: it was applied already. */
  | { kind: "duplicate" }
  /** No head, and the message doesn't prove its own number: look in the log before it. */
  | { kind: "unproven" }
  /**
   * Elements 0 … count − 1 take `first` … `first + count − 1`; the rest came after the end and takes none. A
   * tombstone takes one, also after the end.
   */
  | { kind: "numbered"; first: number; count: number; head: StreamHead };

/**
 * Numbers one message: a chunk's sequence is its position among the elements of its stream in the log.
 * A pure function of the log, so whoever computes it, in whatever overlap, gets the same numbers.
 * A producer's number above head + 1 is adopted: the record was lost in part, and the hole is restored on demand.
 * Only a tombstone counts after the end: an ended stream can still be deleted, once.
 *
 * `head` is as the divergences leave it (see `realign`). A stream that goes on across a divergence of the log jumps,
 * whether it lost anything or not: that is a function of the log and its divergences, and no number comes twice.
 */
export function numberEntry(
  head: StreamHead | null,
  entry: LogEntry,
  divergences: readonly Divergence[] = [],
): Numbering {
  if (head !== null && entry.brokerSequence <= head.brokerSequence) return { kind: "duplicate" };
  if (head === null && !provesItsNumber(entry, divergences)) return { kind: "unproven" };

  const status = head?.status ?? "open";
  const last = head?.sequence ?? 0;
  const isAcross =
    head !== null && isDivergenceBetween(divergences, head.brokerSequence, entry.brokerSequence);
  const demanded = isAcross
    ? jumpSequence(positionOf(entry.brokerSequence, divergences))
    : (entry.firstSequence ?? 0);
  const first = Math.max(last + 1, demanded);
  if (entry.isTombstone && status !== "deleted") {
    return numbered(first, 1, {
      sequence: first,
      brokerSequence: entry.brokerSequence,
      status: "deleted",
    });
  }
  if (status !== "open") {
    return numbered(last + 1, 0, { sequence: last, brokerSequence: entry.brokerSequence, status });
  }

  const terminalIndex = entry.elements.findIndex(
    (element) => element.kind === "chunk" && element.endStatus !== null,
  );
  const terminal = entry.elements[terminalIndex];
  const count = terminal === undefined ? entry.elements.length : terminalIndex + 1;
  return numbered(first, count, {
    sequence: first + count - 1,
    brokerSequence: entry.brokerSequence,
    status: terminal?.kind === "chunk" ? (terminal.endStatus ?? "open") : "open",
  });
}

/**
 * Whether a message alone proves its first number. Across a divergence a number of the producer's proves nothing but
 * that the stream begins here.
 */
export function provesItsNumber(entry: LogEntry, divergences: readonly Divergence[]): boolean {
  if (entry.firstSequence === null) return false;
  return entry.firstSequence === 1 || !isDivergenceBetween(divergences, 0, entry.brokerSequence);
}

function numbered(first: number, count: number, head: StreamHead): Numbering {
  return { kind: "numbered", first, count, head };
}

/** Most elements that one message may carry. A larger array is one rejected element. */
export const MAX_ELEMENTS_PER_MESSAGE = 1024;

/**
 * The number at which a stream goes on when its beginning is unprovable (aged out of the log, and no record left).
 * `position` is the broker sequence, or what `positionOf` makes of it. Larger than any number before it, since a
 * message has at most 1,024 elements; exact in a double up to a position of 2^43, and the log starts at its creation time
 * in ms (about 2^41).
 */
export function jumpSequence(position: number): number {
  return position * MAX_ELEMENTS_PER_MESSAGE;
}

/** Any log's positions are above this: they begin at its creation time, and this is in 2004. */
const LOWEST_JUMP = jumpSequence(2 ** 40);

/** Whether a number was reached by a jump. No stream counts so far. */
export function isJump(sequence: number): boolean {
  return sequence >= LOWEST_JUMP;
}

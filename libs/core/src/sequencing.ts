import type { StreamStatus } from "./chunk.ts";
import type { LogEntry } from "./log-entry.ts";

/** Where a stream stands in the numbering: all that is needed to number its next message. */
export interface StreamHead {
  /** Sequence of the last numbered element; 0 before the first. */
  sequence: number;
  /** Broker sequence of the last message that was numbered into it (or came after the end). */
  brokerSequence: number;
  status: StreamStatus;
  /** How many divergences of the log were known when this head was computed; absent: none. See `numberEntry`. */
  era?: number;
}

export type Numbering =
  /** At or before the head: applied already. */
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
 * A log that was replaced by an older copy of itself, or made anew, has lost what readers may have got already. Its
 * positions after the divergence are used again, so a stream that goes on across one jumps: no number comes twice.
 * @param divergences ascending; after each of these broker sequences the log isn't the one that it was
 */
export function numberEntry(
  head: StreamHead | null,
  entry: LogEntry,
  divergences: readonly number[] = [],
): Numbering {
  const from = head === null ? null : realignHead(head, divergences);
  if (from !== null && entry.brokerSequence <= from.brokerSequence) return { kind: "duplicate" };
  if (from === null && !provesItsNumber(entry, divergences)) return { kind: "unproven" };

  const era = divergences.length > 0 ? { era: divergences.length } : {};
  const status = from?.status ?? "open";
  const last = from?.sequence ?? 0;
  const isAcross = from !== null && liesBetween(divergences, from.brokerSequence, entry.brokerSequence);
  const demanded = isAcross ? jumpSequence(entry.brokerSequence) : (entry.firstSequence ?? 0);
  const first = Math.max(last + 1, demanded);
  if (entry.isTombstone && status !== "deleted") {
    return numbered(first, 1, {
      sequence: first,
      brokerSequence: entry.brokerSequence,
      status: "deleted",
      ...era,
    });
  }
  if (status !== "open") {
    return numbered(last + 1, 0, { sequence: last, brokerSequence: entry.brokerSequence, status, ...era });
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
    ...era,
  });
}

/** A head of an earlier era may stand on a message that the log has lost: it then counts as standing at the divergence. */
function realignHead(head: StreamHead, divergences: readonly number[]): StreamHead {
  const brokerSequence = Math.min(head.brokerSequence, ...divergences.slice(head.era ?? 0));
  return { ...head, brokerSequence };
}

function liesBetween(divergences: readonly number[], after: number, upTo: number): boolean {
  return divergences.some((divergence) => after <= divergence && divergence < upTo);
}

/**
 * Whether a message alone proves its first number. Across a divergence a number of the producer's proves nothing but
 * that the stream begins here.
 */
export function provesItsNumber(entry: LogEntry, divergences: readonly number[]): boolean {
  if (entry.firstSequence === null || entry.firstSequence === 1) return entry.firstSequence !== null;
  return !liesBetween(divergences, 0, entry.brokerSequence);
}

function numbered(first: number, count: number, head: StreamHead): Numbering {
  return { kind: "numbered", first, count, head };
}

/** Most elements that one message may carry. A larger array is one rejected element. */
export const MAX_ELEMENTS_PER_MESSAGE = 1024;

/**
 * The number at which a stream goes on when its beginning is unprovable (aged out of the log, and no record left).
 * Larger than any number before it, since a message has at most 1,024 elements; exact in a double up to a broker
 * sequence of 2^43, and the log starts at its creation time in ms (about 2^41).
 */
export function jumpSequence(brokerSequence: number): number {
  return brokerSequence * MAX_ELEMENTS_PER_MESSAGE;
}

/** Any log's positions are above this: they begin at its creation time, and this is in 2004. */
const LOWEST_JUMP = jumpSequence(2 ** 40);

/** Whether a number was reached by a jump. No stream counts so far. */
export function isJump(sequence: number): boolean {
  return sequence >= LOWEST_JUMP;
}

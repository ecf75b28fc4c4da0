import { numberEntry, StreamError, type StoredMessage, type StreamStatus } from "@sluice/core";
import { decodeMessage, MAX_CHUNK_BYTES } from "@sluice/protocol";

/** A place in a stream, between two of its messages. */
export interface StreamPlace {
  /** Broker sequence of the message before; 0 if there is none. */
  brokerSequence: number;
  /** Number that the next element takes; null after a message that doesn't carry its own. */
  nextSequence: number | null;
}

/** Where a stream stands after one of its messages, as far as that message tells. */
export interface StreamPosition extends StreamPlace {
  status: StreamStatus;
}

/** Position before a stream's first message. */
export const NOT_CREATED: Readonly<StreamPosition> = { brokerSequence: 0, nextSequence: 1, status: "open" };

/** Where the stream stands after a message. A bare message published after the end hides the end. */
export function positionAfter(message: StoredMessage): StreamPosition {
  const entry = decodeMessage(message, MAX_CHUNK_BYTES);
  const before = { sequence: (entry.firstSequence ?? 1) - 1, brokerSequence: 0, status: "open" } as const;
  const numbering = numberEntry(before, entry);
  if (numbering.kind !== "numbered") throw new Error(`message ${message.brokerSequence} has no number`);
  const { head } = numbering;
  return {
    brokerSequence: message.brokerSequence,
    nextSequence: entry.firstSequence === null ? null : head.sequence + 1,
    status: head.status,
  };
}

/**
 * Why nothing can be appended at this position; null where something can.
 * `details.head_sequence` tells the number of its last element, where it is known.
 */
export function refusalAt(streamId: string, position: StreamPosition): StreamError | null {
  if (position.status === "open") return null;
  const details = headOf(position);
  if (position.status === "deleted") {
    return new StreamError("STREAM_DELETED", `stream ${streamId} was deleted: create another one`, {
      details,
    });
  }
  const reason = `stream ${streamId} has ended (${position.status}): nothing can follow`;
  return new StreamError("STREAM_ENDED", reason, { details });
}

/** The head as a detail of an error: it lets a sender that lost an answer find out that its chunks are stored. */
export function headOf(position: StreamPosition): { head_sequence: number } | Record<string, never> {
  return position.nextSequence === null ? {} : { head_sequence: position.nextSequence - 1 };
}

import type { StreamStatus } from "./chunk.ts";
import type { Subscription } from "./live-feed.ts";

/** Why a stream is to be stopped: somebody asked for it, or nobody has read it for as long as its options allow. */
export type CancelReason = "requested" | "abandoned";

/** Outcome of a request to stop a stream. */
export type CancelAnswer =
  /** The stream is open: the request is in its record, its producer is told, and it ends as `cancelled` within the grace time. */
  | { kind: "asked" }
  /** The stream had ended before. */
  | { kind: "ended"; status: StreamStatus }
  /** Neither log nor cache know it. */
  | { kind: "unknown" };

/**
 * The wish to stop a stream, on its way from whoever has it to the partition's owner, and from there to the producer.
 * The owner sees to it that the stream ends: a producer that doesn't answer, or answers and goes on, is overruled.
 */
export interface CancelFeed {
  /** Asks the partition's owner. Null when there is no answer within `timeoutMs`: nothing is known, ask again. */
  requestCancel(partition: number, streamId: string, timeoutMs: number): Promise<CancelAnswer | null>;
  answerCancels(partition: number, handler: (streamId: string) => Promise<CancelAnswer>): Subscription;

  /**
   * Tells whoever produces the stream. @returns whether a producer heard it within `timeoutMs`
   * @throws StreamError CONNECTION where nobody can be told: there may be a producer all the same
   */
  tellProducer(streamId: string, reason: CancelReason, timeoutMs: number): Promise<boolean>;
  /** Calls the handler each time that the stream's producer is told to stop; used by producers. The call itself is the answer. */
  onCancel(streamId: string, handler: (reason: CancelReason) => void): Subscription;
}

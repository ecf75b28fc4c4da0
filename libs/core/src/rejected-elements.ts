/** A refused element as it was kept. */
export interface RejectedElement {
  /** Where it stands among the rejected, from 1 and ascending, for paging; says nothing about the log. */
  position: number;
  streamId: string;
  /** The message that it came in, and its place there, from 0; null where nobody wrote them down. */
  brokerSequence: number | null;
  index: number | null;
  reason: string;
  rejectedMs: number;
  /** Anything at all: it was refused because it is no chunk. */
  element: Uint8Array;
  /** How long it is; more than `element` where only its beginning was asked for. */
  elementBytes: number;
}

/**
 * Elements that ingest refused, kept for people to look at (see PartitionLog.reject). They age out after days.
 * Throws StreamError LOG_UNAVAILABLE.
 */
export interface RejectedElements {
  /** Oldest first, after a position; empty at the end. A page may be shorter than asked for where elements are large. */
  readOldest(page: { streamId?: string; after: number; limit: number }): Promise<readonly RejectedElement[]>;

  /**
   * Newest first, before a position (null: from the newest on), of each at most the first `maxElementBytes`; empty at the
   * end. Holds no more of them than that.
   */
  readNewest(page: {
    before: number | null;
    limit: number;
    maxElementBytes: number;
  }): Promise<readonly RejectedElement[]>;
}

import type { StreamStatus } from "./chunk.ts";
import type { LiveRange } from "./replay-merge.ts";

/** Ends a subscription. Idempotent; after it returns, the handler isn't called again. */
export interface Subscription {
  close(): void;
}

/** Announcement of a partition's owner, each second, so that a lost last message is noticed. */
export interface TailAnnouncement {
  partition: number;
  /** Identifies the announcing owner's term; `serial` counts within it. */
  term: string;
  serial: number;
  /** Broker sequence that the partition is applied up to. */
  checkpoint: number;
  /** Streams that changed within the last seconds. */
  streams: readonly { streamId: string; head: number; hasEnded: boolean }[];
}

/** Answer to a request to bring a stream back from the log. */
export type RebuildAnswer =
  /** The stream is in the cache now, as far as the log reaches. Sequences before `firstAvailable` are gone. */
  | { kind: "restored"; firstAvailable: number; head: number; status: StreamStatus }
  /** The log holds nothing of it, and no record says otherwise. */
  | { kind: "unknown" };

/**
 * Live messages between services: fast, at most once, nothing kept. Every loss is found by other means (holes, tails,
 * periodic checks), so publishing never fails: what can't be sent is dropped.
 */
export interface LiveFeed {
  /** Publishes a range; the caller must have written it to the cache. Splits or strips frames that are too large for one message. */
  publishRange(streamId: string, range: LiveRange): void;
  /** @param onHeartbeat called with the frame of each heartbeat, in its place among the ranges */
  subscribeRanges(
    streamId: string,
    handler: (range: LiveRange) => void,
    onHeartbeat?: (frame: Uint8Array) => void,
  ): Subscription;

  /** Publishes to those who read the stream live at this moment. @param frame of an event without an id */
  publishHeartbeat(streamId: string, frame: Uint8Array): void;

  publishTail(tail: TailAnnouncement): void;
  subscribeTails(handler: (tail: TailAnnouncement) => void): Subscription;

  /**
   * Barrier. Resolves true when the partition's owner has answered: it then knows of every subscription made before
   * the call, and what it publishes later arrives. False when there is no answer within `timeoutMs`.
   */
  barrier(partition: number, timeoutMs: number): Promise<boolean>;
  answerBarriers(partition: number): Subscription;

  /** Asks the partition's owner to bring a stream back. Null when there is no answer within `timeoutMs`. */
  requestRebuild(partition: number, streamId: string, timeoutMs: number): Promise<RebuildAnswer | null>;
  answerRebuilds(partition: number, handler: (streamId: string) => Promise<RebuildAnswer>): Subscription;

  /**
   * A producer lives. @param brokerSequence of its last message in the log, by which a beat of one that was replaced
   * meanwhile is told apart; null where it doesn't know that now
   */
  publishBeat(streamId: string, brokerSequence: number | null): void;
  /** The beats of all streams. `brokerSequence` null: the producer didn't say. */
  subscribeBeats(handler: (streamId: string, brokerSequence: number | null) => void): Subscription;

  /** Called after each re-established connection: messages may have been missed meanwhile. */
  onReconnect(handler: () => void): Subscription;
  isConnected(): boolean;
}

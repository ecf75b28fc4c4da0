import type { Subscription } from "./live-feed.ts";

/** Presence of readers, asked of all edge pods. A pod that doesn't answer in time counts for nothing. */
export interface ReaderPresence {
  /**
   * How many subscribers each of these streams has on all pods; a stream without any stands for 0 or is missing. Takes
   * all of `timeoutMs`: nobody knows how many pods are to answer. @param streamIds at most 500
   * @throws StreamError CONNECTION where nobody can be asked, or no pod is there to be: this says nothing about readers
   */
  countReaders(streamIds: readonly string[], timeoutMs: number): Promise<ReadonlyMap<string, number>>;
  /**
   * Whether anybody reads it: true as soon as a pod says so, false after `timeoutMs`.
   * @throws StreamError CONNECTION as above
   */
  hasReader(streamId: string, timeoutMs: number): Promise<boolean>;
  /** Answers for a pod. */
  answerPresence(countHere: (streamId: string) => number): Subscription;
}

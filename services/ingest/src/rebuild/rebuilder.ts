import {
  StreamError,
  type Divergence,
  type LiveFeed,
  type RebuildAnswer,
  type RestoredPage,
} from "@sluice/core";
import type { IsWanted } from "./rebuild-gate.ts";
import { StreamScan, type StreamScanOptions } from "./stream-scan.ts";

/** Tries to complete a rebuild while another owner, unaware that it lost the lease, moves the checkpoint. */
const MAX_COMPLETION_TRIES = 3;

export interface RebuilderOptions extends StreamScanOptions {
  liveFeed: LiveFeed;
}

/**
 * Brings streams back from the log into the cache: after a flush, an expiry, or for a reader of an old stream.
 *
 * Two steps. While appends go on, the retained messages are read in pages, numbered and laid into the cache. Then, in
 * the pause between two appends that the caller grants, what has arrived meanwhile is added and the stream's record
 * completed, so that the record is never older than what was already applied.
 */
export class Rebuilder {
  readonly #options: RebuilderOptions;

  constructor(options: RebuilderOptions) {
    this.#options = options;
  }

  /**
   * @param isWanted asked between two pages of the log; false ends the rebuild
   * @param exclusively runs the completion while no append of this ingester is under way, and tells the position it
   * has applied everything up to
   * @throws StreamError where log or cache fail; OVERLOADED where it isn't wanted any more; nothing is lost by trying again
   */
  async rebuild(
    streamId: string,
    divergences: readonly Divergence[],
    exclusively: <T>(task: (position: number) => Promise<T>) => Promise<T>,
    isWanted: IsWanted = () => true,
  ): Promise<RebuildAnswer> {
    const scan = new StreamScan(streamId, divergences, this.#options);
    await scan.readOn(isWanted);
    for (let attempt = 0; attempt < MAX_COMPLETION_TRIES; attempt++) {
      const answer = await exclusively((position) => this.#complete(scan, position));
      if (answer !== null) return answer;
    }
    const { partition } = this.#options;
    throw new StreamError(
      "CACHE_UNAVAILABLE",
      `the checkpoint of partition ${partition} moves on under another owner`,
    );
  }

  /** Null: the cache is further than the scan, read on and try again. */
  async #complete(scan: StreamScan, position: number): Promise<RebuildAnswer | null> {
    const { partition, cache, liveFeed, chunkTtlSeconds } = this.#options;
    const { streamId } = scan;
    await scan.readOn();
    const existing = await cache.readInfo(streamId);
    if (scan.isEmpty && existing === null) return { kind: "unknown" };

    const completion = this.#completionOf(scan, position, existing !== null);
    if (completion !== null) {
      const isLaid = await cache.restore({ partition, streamId, chunkTtlSeconds, chunks: [], completion });
      if (!isLaid) return null;
    }
    const restored = (await cache.readInfo(streamId)) ?? existing;
    if (restored === null) return null;
    const { head } = restored;
    const firstAvailable = scan.firstAvailable ?? head.sequence + 1;
    if (head.sequence > 0) {
      liveFeed.publishRange(streamId, {
        first: 1,
        last: head.sequence,
        isTerminal: head.status !== "open",
        frames: null,
      });
    }
    return { kind: "restored", firstAvailable, head: head.sequence, status: head.status };
  }

  /** Null where there is a record already, and the log can't add to it. */
  #completionOf(scan: StreamScan, position: number, hasRecord: boolean): RestoredPage["completion"] {
    if (scan.info !== null) {
      const snapshotBrokerSequence = Math.max(position, scan.upTo);
      return {
        info: scan.info,
        snapshotBrokerSequence,
        isProven: true,
        endsUnwritten: scan.endsUnwritten,
      };
    }
    const info = hasRecord ? null : scan.jumpInfo(position);
    return info === null ? null : { info, snapshotBrokerSequence: position, isProven: false };
  }
}

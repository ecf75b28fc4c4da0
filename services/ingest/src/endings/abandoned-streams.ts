import { StreamError, type ReaderPresence } from "@sluice/core";
import { MAX_CENSUS_STREAMS } from "@sluice/protocol";
import type { Logger } from "@sluice/runtime";

const PRESENCE_TIMEOUT_MS = 1_000;

/** Each stream is asked about so many times within its limit, but not oftener than each second. */
const TIMES_ASKED = 5;
const MIN_INTERVAL_MS = 1_000;
const MAX_INTERVAL_MS = 10_000;

/** Questions at once: with the bound below, each stream's turn comes within five seconds. */
const MAX_QUESTIONS = 4;
// Each is asked about again and again, of all pods. A stream beyond it isn't watched: it ends by other means.
const MAX_WATCHED = 10_000;

interface Watched {
  limitMs: number;
  askedMs: number;
  /** Time since which no reader was seen, ms; null if there was one when last asked. */
  absentMs: number | null;
}

export interface AbandonedStreamsOptions {
  presence: Pick<ReaderPresence, "countReaders">;
  /** Stops the stream. Where it throws a StreamError the stream stays watched, and is told again. */
  abandon: (streamId: string) => Promise<unknown>;
  logger: Logger;
}

/**
 * Finds the streams of a partition that are to be stopped when nobody reads them, and that nobody has read for as long
 * as they allow. Whoever read at the time of a question counts; a question without an answer counts as a reader.
 * Times are any monotonic clock's, ms.
 */
export class AbandonedStreams {
  readonly #options: AbandonedStreamsOptions;
  readonly #watched = new Map<string, Watched>();
  #isAsking = false;

  constructor(options: AbandonedStreamsOptions) {
    this.#options = options;
  }

  /** Watches a stream: from now on it must have a reader. Changes nothing for a stream that is watched already. */
  watch(streamId: string, limitMs: number, nowMs: number): void {
    if (this.#watched.has(streamId) || this.#watched.size >= MAX_WATCHED) return;
    this.#watched.set(streamId, { limitMs, askedMs: nowMs, absentMs: nowMs });
  }

  forget(streamId: string): void {
    this.#watched.delete(streamId);
  }

  /** Forgets all absences: readers may have been there unseen. */
  startAnew(nowMs: number): void {
    for (const watched of this.#watched.values()) watched.absentMs = nowMs;
  }

  /** Asks about those whose turn it is; resolves when what follows from the answers is done. One call does so at a time. */
  async look(nowMs: number): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const due = [...this.#due(nowMs)];
      const questions: Promise<void>[] = [];
      for (let from = 0; from < due.length; from += MAX_CENSUS_STREAMS) {
        questions.push(this.#ask(due.slice(from, from + MAX_CENSUS_STREAMS), nowMs));
      }
      await Promise.all(questions);
    } finally {
      this.#isAsking = false;
    }
  }

  /** Yields the streams that are due, those asked about longest ago first. */
  *#due(nowMs: number): Generator<string> {
    let left = MAX_QUESTIONS * MAX_CENSUS_STREAMS;
    for (const [streamId, { limitMs, askedMs }] of this.#watched) {
      if (left === 0) return;
      const intervalMs = Math.min(Math.max(limitMs / TIMES_ASKED, MIN_INTERVAL_MS), MAX_INTERVAL_MS);
      if (nowMs - askedMs < intervalMs) continue;
      left--;
      yield streamId;
    }
  }

  async #ask(streamIds: readonly string[], nowMs: number): Promise<void> {
    const { presence, abandon, logger } = this.#options;
    let counts: ReadonlyMap<string, number> | null = null;
    try {
      counts = await presence.countReaders(streamIds, PRESENCE_TIMEOUT_MS);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      logger.warn({ err: error }, "readers can't be counted now");
    }
    for (const streamId of streamIds) {
      const hasReader = counts === null || (counts.get(streamId) ?? 0) > 0;
      if (!this.#isAbandoned(streamId, hasReader, nowMs)) continue;
      try {
        await abandon(streamId);
        this.forget(streamId);
      } catch (error) {
        if (!(error instanceof StreamError)) throw error;
        logger.warn({ err: error, streamId }, "abandoned stream can't be stopped now");
      }
    }
  }

  #isAbandoned(streamId: string, hasReader: boolean, nowMs: number): boolean {
    const watched = this.#watched.get(streamId);
    if (watched === undefined) return false;
    // Nobody was looked for in between, for longer than would have been long enough.
    const wasMissed = nowMs - watched.askedMs > watched.limitMs;
    if (hasReader) watched.absentMs = null;
    else if (watched.absentMs === null || wasMissed) watched.absentMs = nowMs;
    watched.askedMs = nowMs;
    this.#watched.delete(streamId);
    this.#watched.set(streamId, watched);
    return watched.absentMs !== null && nowMs - watched.absentMs >= watched.limitMs;
  }
}

import { setTimeout as pause } from "node:timers/promises";
import { FULL_SHARE, shareOf, StreamError, type CacheSpace, type StorageSpace } from "@sluice/core";

/** Shortest time between two questions, however many streams are created. */
const FRESH_MS = 250;
/** Age from which an answer says nothing: the creation waits for a new one. */
const STALE_MS = 10_000;
/** A cache that is away takes no records, so nobody waits long for its answer. */
const MAX_WAIT_MS = 500;
/** Time that creations take to reach the cache, and so to count in its answers. */
const UNDER_WAY_MS = 2_000;
const RETRY_AFTER_SECONDS = 10;

const UNKNOWN: StorageSpace = { usedBytes: 0, limitBytes: Infinity };

/**
 * Keeps creations out of a cache that is 90 % full, so that what goes on has room to end: a full one delivers nothing to
 * anybody. What was let in lately counts as used, since the cache's answer is older than the creations that wait for it.
 */
export class CacheRoom {
  readonly #cacheSpace: CacheSpace;
  #space = UNKNOWN;
  #knownAtMs = -Infinity;
  #look: Promise<void> | null = null;
  /** Bytes let in, by when: in the current span, and in the one before. */
  #recent = { sinceMs: 0, bytes: 0, before: 0 };

  constructor(cacheSpace: CacheSpace) {
    this.#cacheSpace = cacheSpace;
  }

  /** Lets records of so many bytes in. @throws StreamError STORAGE_FULL with `retry_after_seconds` */
  async enter(bytes: number): Promise<void> {
    const ageMs = performance.now() - this.#knownAtMs;
    if (ageMs > FRESH_MS) {
      this.#look ??= this.#ask().finally(() => (this.#look = null));
      if (ageMs > STALE_MS) await Promise.race([this.#look, pause(MAX_WAIT_MS, undefined, { ref: false })]);
    }
    const { usedBytes, limitBytes } = this.#space;
    const share = shareOf({ usedBytes: usedBytes + this.#underWay() + bytes, limitBytes });
    if (share >= FULL_SHARE) {
      throw new StreamError(
        "STORAGE_FULL",
        "the cache is 90 % full: nothing new is created, so that those streams which run can end",
        { details: { retry_after_seconds: RETRY_AFTER_SECONDS } },
      );
    }
    this.#recent.bytes += bytes;
  }

  #underWay(): number {
    const nowMs = performance.now();
    const spans = (nowMs - this.#recent.sinceMs) / UNDER_WAY_MS;
    if (spans >= 2) this.#recent = { sinceMs: nowMs, bytes: 0, before: 0 };
    else if (spans >= 1) this.#recent = { sinceMs: nowMs, bytes: 0, before: this.#recent.bytes };
    return this.#recent.bytes + this.#recent.before;
  }

  async #ask(): Promise<void> {
    try {
      this.#space = await this.#cacheSpace.readSpace();
      this.#knownAtMs = performance.now();
    } catch (error) {
      // Away: whoever needs it finds out.
      if (!(error instanceof StreamError)) throw error;
    }
  }
}

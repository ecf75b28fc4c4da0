import { FULL_SHARE, StreamError, type StreamLog } from "@sluice/core";
import { setTimeout as pause } from "node:timers/promises";

/** Known for so long, a new look is taken beside the creation; for longer, the creation waits for it. */
const FRESH_MS = 500;
const STALE_MS = 30_000;
/** A log that is away is told by the creation itself, in its own time. */
const MAX_WAIT_MS = 500;
const RETRY_AFTER_SECONDS = 10;

/** How much room the log has, as far as those who create streams have to know: at most two questions a second. */
export class LogSpace {
  readonly #log: Pick<StreamLog, "fullness">;
  #fullness = 0;
  #knownAtMs = -Infinity;
  #look: Promise<void> | null = null;

  constructor(log: Pick<StreamLog, "fullness">) {
    this.#log = log;
  }

  /** @throws StreamError STORAGE_FULL with `retry_after_seconds` */
  async assertRoom(): Promise<void> {
    const ageMs = performance.now() - this.#knownAtMs;
    if (ageMs > FRESH_MS) {
      this.#look ??= this.#ask().finally(() => (this.#look = null));
      if (ageMs > STALE_MS || this.#fullness >= FULL_SHARE)
        await Promise.race([this.#look, pause(MAX_WAIT_MS, undefined, { ref: false })]);
      else void this.#look;
    }
    if (this.#fullness < FULL_SHARE) return;
    const percent = Math.floor(this.#fullness * 100);
    throw new StreamError(
      "STORAGE_FULL",
      `the log is ${percent} % full: it takes no new stream, so that those which run can end`,
      { details: { retry_after_seconds: RETRY_AFTER_SECONDS } },
    );
  }

  async #ask(): Promise<void> {
    try {
      this.#fullness = await this.#log.fullness();
      this.#knownAtMs = performance.now();
    } catch (error) {
      // Where the log is away, the creation itself will tell.
      if (!(error instanceof StreamError)) throw error;
    }
  }
}

import { StreamError, type PressureFeed, type StreamLog } from "@sluice/core";
import type { PartitionLag } from "../metrics.ts";

const INTERVAL_MS = 1_000;
/** Age at which the log's fullness is asked for anew: a log takes longer to fill, and each question costs its leader. */
const FULLNESS_AGE_MS = 5_000;

const PRESSING_LAG_MS = 1_000;
const PRESSING_FULLNESS = 0.8;

export interface PressureAnnouncerOptions {
  feed: Pick<PressureFeed, "publishPressure">;
  log: Pick<StreamLog, "fullness">;
  /** Lags of the partitions owned now. */
  lags: () => readonly PartitionLag[];
}

/** Tells producers each second which of this replica's partitions are behind, or that the log fills up; and once when it is over. */
export class PressureAnnouncer {
  readonly #options: PressureAnnouncerOptions;
  readonly #pressed = new Set<number>();
  readonly #timer: NodeJS.Timeout;
  #fullness = 0;
  #lookedMs = -Infinity;
  #isLooking = false;

  constructor(options: PressureAnnouncerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#announce(), INTERVAL_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #announce(): void {
    const { feed, lags } = this.#options;
    void this.#look();
    const owned = lags();
    for (const { partition, ms } of owned) {
      // Not known until the partition has been read: nothing to be told.
      const lagMs = Number.isFinite(ms) ? ms : 0;
      const isPressed = lagMs > PRESSING_LAG_MS || this.#fullness > PRESSING_FULLNESS;
      if (isPressed || this.#pressed.has(partition))
        feed.publishPressure({ partition, lagMs, fullness: this.#fullness });
      if (isPressed) this.#pressed.add(partition);
      else this.#pressed.delete(partition);
    }
    // What was handed over is its new owner's to tell of.
    for (const partition of this.#pressed)
      if (!owned.some((lag) => lag.partition === partition)) this.#pressed.delete(partition);
  }

  async #look(): Promise<void> {
    if (this.#isLooking || performance.now() - this.#lookedMs < FULLNESS_AGE_MS) return;
    this.#isLooking = true;
    try {
      this.#fullness = await this.#options.log.fullness();
      this.#lookedMs = performance.now();
    } catch (error) {
      // Away: producers learn that by themselves.
      if (!(error instanceof StreamError)) throw error;
    } finally {
      this.#isLooking = false;
    }
  }
}

import type { PartitionPressure, PressureFeed, Subscription } from "@sluice/core";

/** Most that two messages of a stream are held apart. */
const MAX_SPACING_MS = 1_000;
/** Ingest says nothing of less. */
const PRESSING_LAG_MS = 1_000;
const PRESSING_FULLNESS = 0.8;
/** Told each second: so many may get lost. After that it counts for half with each further second. */
const FRESH_MS = 3_000;
const HALF_LIFE_MS = 1_000;

/**
 * How far apart a stream's messages are to be while its partition finds it hard to keep up:
 * - a tenth of the lag, once that is above a second,
 * - or five seconds times how much the log is fuller than 0.8,
 *
 * whichever is longer, at most one second, and fading where nothing more is heard. What is sent meanwhile travels
 * together: the same chunks in fewer messages, which is most of what they cost. Only when that isn't enough the buffer
 * fills, and sends wait.
 */
export class ClusterPressure {
  readonly #heard = new Map<number, { pressure: PartitionPressure; heardMs: number }>();
  readonly #subscription: Subscription | undefined;

  constructor(feed: Pick<PressureFeed, "subscribePressure"> | undefined) {
    this.#subscription = feed?.subscribePressure((pressure) => {
      this.#heard.set(pressure.partition, { pressure, heardMs: performance.now() });
    });
  }

  spacingMs(partition: number): number {
    const heard = this.#heard.get(partition);
    if (heard === undefined) return 0;
    const { lagMs, fullness } = heard.pressure;
    const ofLag = lagMs > PRESSING_LAG_MS ? lagMs / 10 : 0;
    const ofFullness = (fullness - PRESSING_FULLNESS) * 5_000;
    const staleMs = Math.max(0, performance.now() - heard.heardMs - FRESH_MS);
    const spacingMs = Math.min(MAX_SPACING_MS, Math.max(ofLag, ofFullness)) * 0.5 ** (staleMs / HALF_LIFE_MS);
    if (spacingMs >= 1) return spacingMs;
    this.#heard.delete(partition);
    return 0;
  }

  close(): void {
    this.#subscription?.close();
  }
}

import type { ClusterPressure } from "./cluster-pressure.ts";
import { RateLimit, type Load } from "./rate-limit.ts";
import type { ProducerSettings } from "./settings.ts";

/** Holds the messages of one stream back: by its own rate, that of its process, and the cluster's pressure. */
export class Throttle {
  readonly #own: RateLimit;
  readonly #total: RateLimit;
  readonly #pressure: ClusterPressure;
  readonly #partition: number;
  #lastMs = -Infinity;

  constructor(options: {
    settings: ProducerSettings;
    total: RateLimit;
    pressure: ClusterPressure;
    partition: number;
  }) {
    const { maxChunksPerSecond, maxBytesPerSecond } = options.settings;
    this.#own = new RateLimit(maxChunksPerSecond, maxBytesPerSecond);
    this.#total = options.total;
    this.#pressure = options.pressure;
    this.#partition = options.partition;
  }

  /**
   * Waits until the first of what is to be sent may go, and then has as much taken as may go with it.
   * @param least what has to go at once
   * @param take takes it, within the room that it is told of or the least, and says how much that was
   */
  async pass(least: Load, take: (room: Load) => Load): Promise<void> {
    await waitOut(() => this.#lastMs + this.#pressure.spacingMs(this.#partition) - performance.now());
    if (this.#own.isUnlimited && this.#total.isUnlimited) {
      take({ chunks: Infinity, bytes: Infinity });
    } else {
      await waitOut(() => this.#own.waitMs(least));
      await this.#total.inTurn(async () => {
        await waitOut(() => this.#total.waitMs(least));
        const [own, total] = [this.#own.room, this.#total.room];
        const taken = take({
          chunks: Math.min(own.chunks, total.chunks),
          bytes: Math.min(own.bytes, total.bytes),
        });
        this.#own.spend(taken);
        this.#total.spend(taken);
      });
    }
    this.#lastMs = performance.now();
  }
}

/** Waits for as long as there is something to wait for, and not a turn where there isn't. */
async function waitOut(leftMs: () => number): Promise<void> {
  for (let ms = leftMs(); ms > 0; ms = leftMs()) {
    const restMs = Math.ceil(ms);
    await new Promise((resolve) => {
      setTimeout(resolve, restMs);
    });
  }
}

/** All streams of a manager. */
export function totalRateOf(settings: ProducerSettings): RateLimit {
  return new RateLimit(settings.maxTotalChunksPerSecond, settings.maxTotalBytesPerSecond);
}

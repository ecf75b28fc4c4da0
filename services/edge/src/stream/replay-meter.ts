import type { EdgeMetrics } from "../metrics.ts";

/** Duration and size of one reader's replay, from the request to the first time at the head. Later ones are repairs. */
export class ReplayMeter {
  readonly #metrics: EdgeMetrics;
  readonly #begunMs = performance.now();
  #chunks = 0;
  #bytes = 0;
  #hasEnded = false;

  constructor(metrics: EdgeMetrics) {
    this.#metrics = metrics;
  }

  add(chunks: number, bytes: number): void {
    this.#chunks += chunks;
    this.#bytes += bytes;
  }

  /** Idempotent. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#metrics.replaySeconds.observe((performance.now() - this.#begunMs) / 1000);
    this.#metrics.replayChunks.observe(this.#chunks);
    this.#metrics.replayBytes.observe(this.#bytes);
  }
}

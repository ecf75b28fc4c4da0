import type { RebuildAnswer } from "@sluice/core";

/** Lets through one rebuild of a stream at a time, whoever asks for it, and a few in all: a flush makes thousands ask at once. */
export class RebuildGate {
  readonly #maxConcurrent: number;
  readonly #flights = new Map<string, Promise<RebuildAnswer>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(maxConcurrent: number) {
    this.#maxConcurrent = maxConcurrent;
  }

  run(streamId: string, rebuild: () => Promise<RebuildAnswer>): Promise<RebuildAnswer> {
    const flight = this.#flights.get(streamId) ?? this.#fly(streamId, rebuild);
    this.#flights.set(streamId, flight);
    return flight;
  }

  async #fly(streamId: string, rebuild: () => Promise<RebuildAnswer>): Promise<RebuildAnswer> {
    // Waiters hold a place each in #flights; the streams of one partition bound them, and askers time out by themselves.
    if (this.#running >= this.#maxConcurrent)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await rebuild();
    } finally {
      this.#flights.delete(streamId);
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

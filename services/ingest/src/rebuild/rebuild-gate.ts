import { StreamError, type RebuildAnswer } from "@sluice/core";

// Whoever waits behind so many has given up before its turn. Without this bound a scan over random ids, each of which is
// asked for, fills the heap with them, and readers of real streams wait behind all.
const MAX_WAITING = 1_000;

/** Lets through one rebuild of a stream at a time, whoever asks for it, and a few in all: a flush makes thousands ask at once. */
export class RebuildGate {
  readonly #maxConcurrent: number;
  readonly #flights = new Map<string, Promise<RebuildAnswer>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(maxConcurrent: number) {
    this.#maxConcurrent = maxConcurrent;
  }

  /** @throws StreamError OVERLOADED where too many wait; and what the rebuild throws */
  run(streamId: string, rebuild: () => Promise<RebuildAnswer>): Promise<RebuildAnswer> {
    const standing = this.#flights.get(streamId);
    if (standing !== undefined) return standing;
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(
        new StreamError("OVERLOADED", "too many streams are to be brought back; try again"),
      );
    }
    const flight = this.#fly(streamId, rebuild);
    this.#flights.set(streamId, flight);
    return flight;
  }

  async #fly(streamId: string, rebuild: () => Promise<RebuildAnswer>): Promise<RebuildAnswer> {
    if (this.#running < this.#maxConcurrent) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
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

import { setTimeout as delay } from "node:timers/promises";
import { StreamError, type RebuildAnswer } from "@sluice/core";

// Whoever waits behind so many has given up before its turn. Without this bound a scan over random ids, each of which is
// asked for, fills the heap with them, and readers of real streams wait behind all.
const MAX_WAITING = 1_000;

// After a long piece of work for a stream the next one for it waits four times as long: whoever asks for the same large
// stream again and again, from positions that it never had, gets a fifth of one place and no more.
const REST_SHARE = 4;
const SHORT_MS = 500;
const MAX_REST_MS = 10_000;

// Readers ask again every few seconds while they wait. What nobody has asked for in this time is wanted no more.
const WANTED_MS = 30_000;

interface Flight<Answer> {
  readonly answer: Promise<Answer>;
  lastAskedMs: number;
}

/** @returns false: those who asked have gone, and the rest of the work is for nobody */
export type IsWanted = () => boolean;

/**
 * Lets through one piece of work for a stream at a time, whoever asks for it, and a few in all: a flush makes thousands ask
 * at once.
 */
export class RebuildGate<Answer = RebuildAnswer> {
  readonly #maxConcurrent: number;
  readonly #flights = new Map<string, Flight<Answer>>();
  readonly #waiting: (() => void)[] = [];
  /** When each stream's next may begin, ms; in the order of having ended. */
  readonly #restUntilMs = new Map<string, number>();
  #running = 0;

  constructor(maxConcurrent: number) {
    this.#maxConcurrent = maxConcurrent;
  }

  /** @throws StreamError OVERLOADED where too many wait, or all who asked have gone; and what the work throws */
  run(streamId: string, work: (isWanted: IsWanted) => Promise<Answer>): Promise<Answer> {
    const standing = this.#flights.get(streamId);
    if (standing !== undefined) {
      standing.lastAskedMs = performance.now();
      return standing.answer;
    }
    if (this.#flights.size >= MAX_WAITING + this.#maxConcurrent) {
      return Promise.reject(
        new StreamError("OVERLOADED", "too many streams are to be brought back; try again"),
      );
    }
    const isWanted = (): boolean => performance.now() - flight.lastAskedMs < WANTED_MS;
    const flight = { answer: this.#fly(streamId, () => work(isWanted)), lastAskedMs: performance.now() };
    this.#flights.set(streamId, flight);
    return flight.answer;
  }

  async #fly(streamId: string, work: () => Promise<Answer>): Promise<Answer> {
    try {
      await this.#rest(streamId);
      if (this.#running < this.#maxConcurrent) this.#running++;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
      const begunMs = performance.now();
      try {
        return await work();
      } finally {
        this.#noteEnd(streamId, begunMs);
        const next = this.#waiting.shift();
        if (next === undefined) this.#running--;
        else next();
      }
    } finally {
      this.#flights.delete(streamId);
    }
  }

  async #rest(streamId: string): Promise<void> {
    const restMs = (this.#restUntilMs.get(streamId) ?? 0) - performance.now();
    if (restMs > 0) await delay(restMs, undefined, { ref: false });
  }

  #noteEnd(streamId: string, begunMs: number): void {
    const nowMs = performance.now();
    for (const [other, untilMs] of this.#restUntilMs) {
      if (untilMs > nowMs && this.#restUntilMs.size < MAX_WAITING) break;
      this.#restUntilMs.delete(other);
    }
    const tookMs = nowMs - begunMs;
    if (tookMs > SHORT_MS)
      this.#restUntilMs.set(streamId, nowMs + Math.min(REST_SHARE * tookMs, MAX_REST_MS));
  }
}

// setTimeout takes no more, and fires at once where it is given more.
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** A point in time after which nobody waits any more. */
export class Deadline {
  readonly #atMs: number;

  /** @param timeoutMs from now; Infinity: never */
  constructor(timeoutMs: number) {
    this.#atMs = performance.now() + timeoutMs;
  }

  get hasPassed(): boolean {
    return this.remainingMs === 0;
  }

  get remainingMs(): number {
    return Math.max(0, this.#atMs - performance.now());
  }

  /** Returns what `work` gives, or what `late` gives where the deadline comes first: the work goes on, unheeded. */
  async race<T>(work: Promise<T>, late: () => T): Promise<T> {
    if (this.#atMs === Infinity) return work;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), Math.min(this.remainingMs, MAX_TIMEOUT_MS));
    });
    try {
      const first = await Promise.race([work.then((value) => ({ value })), timeout]);
      return first === "late" ? late() : first.value;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Pauses, not longer than the deadline. */
  async pause(delayMs: number): Promise<void> {
    if (this.hasPassed) return;
    await new Promise<void>((resolve) => {
      setTimeout(resolve, Math.min(delayMs, this.remainingMs));
    });
  }
}

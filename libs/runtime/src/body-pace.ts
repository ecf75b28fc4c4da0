import { StreamError } from "@sluice/core";

export interface BodyPaceLimits {
  /** How long a body may take, ms. */
  timeoutMs: number;
  /** Fewer bytes than this a second, on average since the body began, are too few. 0: no bound. */
  minBytesPerSecond: number;
}

// A sender may think before it begins; and of a small body the first bytes may be all that is late.
const GRACE_MS = 10_000;
const CHECK_INTERVAL_MS = 1_000;

/** Watches that a body arrives in time and not by drips. */
export class BodyPace {
  readonly #limits: BodyPaceLimits;
  readonly #startedMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;

  /** @param onSlow called once, with REQUEST_TIMEOUT, unless it is stopped before */
  constructor(limits: BodyPaceLimits, onSlow: (error: StreamError) => void) {
    this.#limits = limits;
    const intervalMs = Math.min(CHECK_INTERVAL_MS, limits.timeoutMs / 4);
    this.#timer = setInterval(() => {
      const problem = this.#problem();
      if (problem === null) return;
      this.stop();
      onSlow(new StreamError("REQUEST_TIMEOUT", problem));
    }, intervalMs);
  }

  received(bytes: number): void {
    this.#bytes += bytes;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #problem(): string | null {
    const { timeoutMs, minBytesPerSecond } = this.#limits;
    const elapsedMs = performance.now() - this.#startedMs;
    if (elapsedMs >= timeoutMs) return `the body did not arrive within ${timeoutMs / 1000} s`;
    if (elapsedMs < GRACE_MS || (this.#bytes * 1000) / elapsedMs >= minBytesPerSecond) return null;
    return `the body arrives with less than ${minBytesPerSecond} bytes a second`;
  }
}

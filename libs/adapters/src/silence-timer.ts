import { SourceFailure } from "./source-failure.ts";

/** Longest silence that can be borne with, ms: a day. Timers overflow beyond 24.8 days and then fire at once. */
const MAX_IDLE_TIMEOUT_MS = 86_400_000;

/** Aborts its signal once a server has said nothing for too long. Runs from the start. */
export class SilenceTimer {
  readonly #controller = new AbortController();
  readonly #timeoutMs: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param timeoutMs from 1 ms to a day; less or more counts as that, and what is no number as a day */
  constructor(timeoutMs: number) {
    const bounded = Math.min(Math.max(timeoutMs, 1), MAX_IDLE_TIMEOUT_MS);
    this.#timeoutMs = Number.isNaN(bounded) ? MAX_IDLE_TIMEOUT_MS : bounded;
    this.restart();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const message = `the model's server said nothing for ${this.#timeoutMs / 1000} s`;
      this.#controller.abort(new SourceFailure("LLM_TIMEOUT", message, { isSilence: true }));
    }, this.#timeoutMs);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }
}

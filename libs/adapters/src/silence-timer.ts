import { SourceFailure } from "./source-failure.ts";

/** Longest delay of a timer, ms: 24.8 days. Beyond it timers fire at once. */
const MAX_IDLE_TIMEOUT_MS = 2 ** 31 - 1;

/** Aborts its signal once a server has said nothing for too long. Runs from the start. */
export class SilenceTimer {
  readonly #controller = new AbortController();
  readonly #timeoutMs: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param timeoutMs from 1 ms to 24.8 days; less or more counts as that, and so does what is no number */
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

// While nobody sees the page, browsers draw no frames: not even one that was asked for before.
const HIDDEN_MS = 250;

interface Page {
  requestAnimationFrame?: (callback: () => void) => number;
  cancelAnimationFrame?: (handle: number) => void;
}

/** Runs `work` once at the next frame, however often it was asked for until then; where no frame comes, a little later. */
export class FrameThrottle {
  readonly #work: () => void;
  #cancel: (() => void) | null = null;

  constructor(work: () => void) {
    this.#work = work;
  }

  ask(): void {
    if (this.#cancel !== null) return;
    const page = globalThis as unknown as Page;
    const timer = setTimeout(() => this.flush(), HIDDEN_MS);
    const frame = page.requestAnimationFrame?.(() => this.flush());
    this.#cancel = () => {
      clearTimeout(timer);
      if (frame !== undefined) page.cancelAnimationFrame?.(frame);
    };
  }

  /** Runs the work at once, if it was asked for. */
  flush(): void {
    if (this.#cancel === null) return;
    this.#cancel();
    this.#cancel = null;
    this.#work();
  }
}

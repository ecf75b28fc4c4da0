// While nobody sees the page, browsers draw no frames.
const HIDDEN_MS = 250;

interface Page {
  document?: { visibilityState: string };
  requestAnimationFrame?: (callback: () => void) => number;
  cancelAnimationFrame?: (handle: number) => void;
}

/** Runs `work` at the next frame, however often it is asked for until then. */
export class FrameThrottle {
  readonly #work: () => void;
  #cancel: (() => void) | null = null;

  constructor(work: () => void) {
    this.#work = work;
  }

  ask(): void {
    if (this.#cancel !== null) return;
    const run = (): void => {
      this.#cancel = null;
      this.#work();
    };
    const page = globalThis as unknown as Page;
    if (page.requestAnimationFrame !== undefined && page.document?.visibilityState === "visible") {
      const handle = page.requestAnimationFrame(run);
      this.#cancel = () => page.cancelAnimationFrame?.(handle);
    } else {
      const timer = setTimeout(run, HIDDEN_MS);
      this.#cancel = () => clearTimeout(timer);
    }
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}

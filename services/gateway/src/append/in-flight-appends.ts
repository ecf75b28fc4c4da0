import { StreamError } from "@sluice/core";

/** The appends in progress: counted, bounded, and stopped together when the gateway closes. */
export class Uploads {
  readonly #max: number;
  readonly #open = new Set<AbortController>();
  #isClosed = false;

  constructor(max: number) {
    this.#max = max;
  }

  get open(): number {
    return this.#open.size;
  }

  /**
   * @param append given a signal that tells it to stop, with a StreamError as reason
   * @throws StreamError OVERLOADED above the bound, DRAINING once closed
   */
  async run<T>(append: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw draining();
    if (this.#open.size >= this.#max) {
      throw new StreamError("OVERLOADED", `${this.#max} appends are in progress: try again`);
    }
    const controller = new AbortController();
    this.#open.add(controller);
    try {
      return await append(controller.signal);
    } finally {
      this.#open.delete(controller);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const controller of this.#open) controller.abort(draining());
  }
}

function draining(): StreamError {
  return new StreamError("DRAINING", "this gateway is going away: send what was not accepted again");
}

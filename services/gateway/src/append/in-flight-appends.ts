import { StreamError } from "@sluice/core";
import { AddressCounts } from "@sluice/runtime";

/** The appends in progress: counted, bounded, and stopped together when the gateway closes. */
export class Uploads {
  readonly #max: number;
  readonly #maxPerAddress: number;
  readonly #byAddress = new AddressCounts();
  readonly #open = new Set<AbortController>();
  #isClosed = false;

  constructor(max: number, maxPerAddress: number) {
    this.#max = max;
    this.#maxPerAddress = maxPerAddress;
  }

  get open(): number {
    return this.#open.size;
  }

  /**
   * @param append given a signal that tells it to stop, with a StreamError as reason
   * @throws StreamError OVERLOADED above the bound, TOO_MANY_REQUESTS above that of an address, DRAINING once closed
   */
  async run<T>(address: string, append: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw draining();
    if (this.#open.size >= this.#max) {
      throw new StreamError("OVERLOADED", `${this.#max} appends are in progress: try again`);
    }
    if (this.#byAddress.of(address) >= this.#maxPerAddress) {
      const detail = `${this.#maxPerAddress} appends of your address are in progress: try again`;
      throw new StreamError("TOO_MANY_REQUESTS", detail);
    }
    const controller = new AbortController();
    this.#open.add(controller);
    this.#byAddress.add(address, 1);
    try {
      return await append(controller.signal);
    } finally {
      this.#open.delete(controller);
      this.#byAddress.add(address, -1);
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

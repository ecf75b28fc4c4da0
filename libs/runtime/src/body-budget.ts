import { StreamError } from "@sluice/core";
import { AddressCounts } from "./address-counts.ts";

export interface BodyBudgetLimits {
  /** Most bytes of requests' bodies that are in memory at once. */
  maxBytes: number;
  /** Most of them from one client. */
  maxBytesPerAddress: number;
}

/** Bounds the memory that bodies take while they arrive and while their requests are worked on. */
export class BodyBudget {
  readonly #limits: BodyBudgetLimits;
  readonly #byAddress = new AddressCounts();
  #bytes = 0;

  constructor(limits: BodyBudgetLimits) {
    this.#limits = limits;
  }

  /** Bytes that are held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The part of one request; to be released. */
  lease(address: string): BodyLease {
    return new BodyLease((change) => {
      if (change > 0) this.assertRoom(address, change);
      this.#bytes += change;
      this.#byAddress.add(address, change);
    });
  }

  /** @throws StreamError TOO_MANY_REQUESTS, OVERLOADED where so many bytes more would be too many */
  assertRoom(address: string, bytes: number): void {
    const { maxBytes, maxBytesPerAddress } = this.#limits;
    if (this.#byAddress.of(address) + bytes > maxBytesPerAddress) {
      const detail =
        "too many bodies of requests from your address are under way; send fewer at once, or smaller ones";
      throw new StreamError("TOO_MANY_REQUESTS", detail);
    }
    if (this.#bytes + bytes > maxBytes)
      throw new StreamError("OVERLOADED", "too many bodies of requests are under way here; try again");
  }
}

/** Share of the budget that one request holds. */
export class BodyLease {
  readonly #change: (bytes: number) => void;
  #bytes = 0;

  constructor(change: (bytes: number) => void) {
    this.#change = change;
  }

  /** Holds this much from now on, instead of what it held. @throws StreamError TOO_MANY_REQUESTS, OVERLOADED */
  hold(bytes: number): void {
    this.#change(bytes - this.#bytes);
    this.#bytes = bytes;
  }

  /** Idempotent. */
  release(): void {
    this.hold(0);
  }
}

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
    return new BodyLease((change) => this.#change(address, change));
  }

  #change(address: string, change: number): void {
    const { maxBytes, maxBytesPerAddress } = this.#limits;
    if (change > 0 && this.#byAddress.of(address) + change > maxBytesPerAddress) {
      const detail =
        "your address has too many bodies of requests under way; send fewer at once, or smaller ones";
      throw new StreamError("TOO_MANY_REQUESTS", detail);
    }
    if (change > 0 && this.#bytes + change > maxBytes)
      throw new StreamError("OVERLOADED", "too many bodies of requests are under way here; try again");
    this.#bytes += change;
    this.#byAddress.add(address, change);
  }
}

/** What one request holds of the budget. */
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

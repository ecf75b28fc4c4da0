import type { SendReceipt } from "@sluice/producer";

/** Counts what has been stored of a request, or of a part of it, for its answer. Sequences are null if they can't be known. */
export class AppendTally {
  #accepted = 0;
  #first: number | null = null;
  #last: number | null = null;
  #brokerSequence: number | null = null;

  add(receipts: readonly SendReceipt[]): void {
    this.#accepted += receipts.length;
    for (const { sequence, brokerSequence } of receipts) {
      this.#brokerSequence = brokerSequence;
      if (sequence === null) continue;
      this.#first ??= sequence;
      this.#last = sequence;
    }
  }

  get accepted(): number {
    return this.#accepted;
  }

  toJson(): AppendCounts {
    return {
      accepted: this.#accepted,
      first_sequence: this.#first,
      last_sequence: this.#last,
      broker_sequence: this.#brokerSequence,
    };
  }
}

export interface AppendCounts {
  accepted: number;
  first_sequence: number | null;
  last_sequence: number | null;
  broker_sequence: number | null;
}

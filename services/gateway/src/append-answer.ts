import type { SendReceipt } from "@sluice/producer";

/** What has been stored of one request, as its answer tells it. Sequences are null where they can't be known. */
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

  toJson(): Record<string, number | null> {
    return {
      accepted: this.#accepted,
      first_sequence: this.#first,
      last_sequence: this.#last,
      broker_sequence: this.#brokerSequence,
    };
  }
}

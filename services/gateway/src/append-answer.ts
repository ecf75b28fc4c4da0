import type { SendReceipt } from "@sluice/producer";

/** What has been stored of one request, as its answer tells it. Sequences are left out where they can't be known. */
export class AppendTally {
  #accepted = 0;
  #first: number | undefined;
  #last: number | undefined;
  #brokerSequence: number | undefined;

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

  toJson(): Record<string, number> {
    return {
      accepted: this.#accepted,
      ...(this.#first === undefined ? {} : { first_sequence: this.#first }),
      ...(this.#last === undefined ? {} : { last_sequence: this.#last }),
      ...(this.#brokerSequence === undefined ? {} : { broker_sequence: this.#brokerSequence }),
    };
  }
}

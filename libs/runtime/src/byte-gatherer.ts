import { StreamError } from "@sluice/core";
import type { BodyLease } from "./body-budget.ts";

const SMALLEST_BYTES = 1_024;
// What was too small is garbage: with this factor a third of what is kept, and it is as much as all when doubled.
const GROWTH = 4;

/**
 * Puts pieces together in one buffer that grows. A sender may choose how small its pieces are; kept one by one, pieces of
 * a byte would take a hundred times their size.
 */
export class ByteGatherer {
  readonly #maxBytes: number;
  readonly #lease: Pick<BodyLease, "hold">;
  #buffer = Buffer.alloc(0);
  #length = 0;

  /** @param lease is charged with the memory that is taken */
  constructor(maxBytes: number, lease: Pick<BodyLease, "hold">) {
    this.#maxBytes = maxBytes;
    this.#lease = lease;
  }

  get length(): number {
    return this.#length;
  }

  /** @throws StreamError CHUNK_TOO_LARGE above the bound; what the lease throws. Nothing is kept then */
  push(piece: Buffer): void {
    const length = this.#length + piece.byteLength;
    if (length > this.#maxBytes)
      throw new StreamError("CHUNK_TOO_LARGE", `the body has more than ${this.#maxBytes} bytes`);
    if (length > this.#buffer.byteLength) this.#grow(length);
    piece.copy(this.#buffer, this.#length);
    this.#length = length;
  }

  /** All that was pushed since the last call; it begins anew. The lease is charged on until it is told otherwise. */
  take(): Buffer {
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    return bytes;
  }

  #grow(needed: number): void {
    const size = Math.min(Math.max(SMALLEST_BYTES, this.#buffer.byteLength * GROWTH, needed), this.#maxBytes);
    this.#lease.hold(size);
    const grown = Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

import { Mutex, TokenBucket } from "@sluice/core";

/** Weight of sends. */
export interface Load {
  chunks: number;
  bytes: number;
}

/** How much of a rate may gather while nothing is sent, s. Short, so that readers see a rate and no bursts. */
const BURST_SECONDS = 0.25;

/** A rate of chunks and one of bytes, both to be kept. A load beyond the burst passes at the price of a whole one. */
export class RateLimit {
  readonly isUnlimited: boolean;
  readonly #chunks: TokenBucket;
  readonly #bytes: TokenBucket;
  readonly #burst: Load;
  /** The last one in line. */
  readonly #mutex = new Mutex();

  constructor(chunksPerSecond: number, bytesPerSecond: number) {
    this.isUnlimited = chunksPerSecond === Infinity && bytesPerSecond === Infinity;
    this.#burst = {
      chunks: Math.max(1, chunksPerSecond * BURST_SECONDS),
      bytes: Math.max(1, bytesPerSecond * BURST_SECONDS),
    };
    this.#chunks = new TokenBucket(chunksPerSecond, this.#burst.chunks, wholeMs());
    this.#bytes = new TokenBucket(bytesPerSecond, this.#burst.bytes, wholeMs());
  }

  /** Whole ms until so much may go; 0: now. */
  waitMs({ chunks, bytes }: Load): number {
    const nowMs = wholeMs();
    return Math.max(this.#chunks.waitMs(chunks, nowMs), this.#bytes.waitMs(bytes, nowMs));
  }

  /** Load that may go now. */
  get room(): Load {
    const nowMs = wholeMs();
    return { chunks: this.#chunks.available(nowMs), bytes: this.#bytes.available(nowMs) };
  }

  spend({ chunks, bytes }: Load): void {
    const nowMs = wholeMs();
    this.#chunks.tryTake(Math.min(chunks, this.#burst.chunks), nowMs);
    this.#bytes.tryTake(Math.min(bytes, this.#burst.bytes), nowMs);
  }

  /** One at a time, in the order of the calls: a large load is not passed over for ever by small ones. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#mutex.run(work);
  }
}

function wholeMs(): number {
  return Math.floor(performance.now());
}

/** Writer with something to write at the end of the tick. */
export interface Flushable {
  flush(): void;
}

/**
 * Gathers what all connections have to send within one turn of the event loop, so that each makes one write of it:
 * a write costs more than a hundred frames (a system call each, ~17 µs of kernel time on the reference machine).
 */
export class WriteTick {
  #dirty: Flushable[] = [];
  #isScheduled = false;
  #lastParts: readonly Uint8Array[] = [];
  #lastChunk: readonly Uint8Array[] = [];

  /** The caller makes sure that it isn't scheduled twice. */
  schedule(flushable: Flushable): void {
    this.#dirty.push(flushable);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#flushAll());
  }

  /**
   * The parts as one chunk of a chunked response, to be written in this order. Readers of one stream have the same
   * parts in the same tick, so the last result is kept for the tick, and a thousand readers cost one copy.
   */
  asChunk(parts: readonly Uint8Array[]): readonly Uint8Array[] {
    if (!isSame(parts, this.#lastParts)) {
      this.#lastParts = parts;
      this.#lastChunk = asChunk(parts);
    }
    return this.#lastChunk;
  }

  #flushAll(): void {
    this.#isScheduled = false;
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const flushable of dirty) flushable.flush();
    this.#lastParts = [];
    this.#lastChunk = [];
  }
}

const CHUNK_END = Buffer.from("\r\n");

// Below this a copy costs less than one more buffer to write; pages of replays are above.
const MAX_COPIED_BYTES = 16 * 1024;

function asChunk(parts: readonly Uint8Array[]): Uint8Array[] {
  const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const chunk = [Buffer.from(`${bytes.toString(16)}\r\n`), ...parts, CHUNK_END];
  return bytes <= MAX_COPIED_BYTES ? [Buffer.concat(chunk)] : chunk;
}

function isSame(left: readonly Uint8Array[], right: readonly Uint8Array[]): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) {
    if (left[index] !== right[index]) return false;
  }
  return true;
}

import { StreamError } from "@sluice/core";
import { ByteGatherer } from "@sluice/runtime";

export interface Line {
  /** Number of the line, from 1; blank lines count. */
  number: number;
  bytes: Buffer;
}

export interface LineBounds {
  maxLineBytes: number;
  maxBatchLines: number;
  /** A line that alone is larger comes alone. */
  maxBatchBytes: number;
}

const NEWLINE = 0x0a;

/** Buffer of a line whose end has not arrived. */
export interface LineMemory {
  /** So many bytes wait now; 0: the line has ended. @throws StreamError where that is too much */
  hold(bytes: number): void;
}

/**
 * Takes a body apart into lines as it arrives. Lines that arrived together come together, within the bounds; blank ones
 * are left out. What stands after the last newline is a line only if the body ends in good order.
 * Reads on only when asked for the next batch, so the sender is held back by its socket.
 * @throws StreamError CHUNK_TOO_LARGE with `line`, after the lines before it have come; what the body throws
 */
export async function* lineBatches(
  body: AsyncIterable<Buffer>,
  bounds: LineBounds,
  memory: LineMemory,
): AsyncGenerator<Line[]> {
  const splitter = new LineSplitter(bounds.maxLineBytes, memory);
  for await (const piece of body) yield* batches(splitter.push(piece), bounds);
  yield* batches(splitter.end(), bounds);
}

function* batches(lines: Iterable<Line>, bounds: LineBounds): Generator<Line[]> {
  let batch: Line[] = [];
  let bytes = 0;
  try {
    for (const line of lines) {
      const isFull =
        batch.length >= bounds.maxBatchLines || bytes + line.bytes.byteLength > bounds.maxBatchBytes;
      if (isFull && batch.length > 0) {
        const full = batch;
        batch = [];
        bytes = 0;
        yield full;
      }
      batch.push(line);
      bytes += line.bytes.byteLength;
    }
  } catch (error) {
    if (batch.length > 0) yield batch;
    throw error;
  }
  if (batch.length > 0) yield batch;
}

class LineSplitter {
  readonly #maxBytes: number;
  readonly #memory: LineMemory;
  readonly #unfinished: ByteGatherer;
  #number = 0;

  constructor(maxBytes: number, memory: LineMemory) {
    this.#maxBytes = maxBytes;
    this.#memory = memory;
    this.#unfinished = new ByteGatherer(maxBytes, memory);
  }

  *push(piece: Buffer): Generator<Line> {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      yield* this.#take(piece.subarray(start, end));
      start = end + 1;
    }
    const rest = piece.subarray(start);
    this.#assertFits(rest);
    if (rest.byteLength > 0) this.#unfinished.push(rest);
  }

  *end(): Generator<Line> {
    if (this.#unfinished.length > 0) yield* this.#take(EMPTY);
  }

  *#take(last: Buffer): Generator<Line> {
    this.#assertFits(last);
    let bytes = last;
    if (this.#unfinished.length > 0) {
      this.#unfinished.push(last);
      bytes = this.#unfinished.take();
      this.#memory.hold(0);
    }
    this.#number++;
    if (!isBlank(bytes)) yield { number: this.#number, bytes };
  }

  #assertFits(part: Buffer): void {
    if (this.#unfinished.length + part.byteLength <= this.#maxBytes) return;
    const line = this.#number + 1;
    throw new StreamError("CHUNK_TOO_LARGE", `line ${line} has more than ${this.#maxBytes} bytes`, {
      details: { line },
    });
  }
}

const EMPTY = Buffer.alloc(0);

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

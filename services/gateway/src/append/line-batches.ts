import { StreamError } from "@sluice/core";

export interface Line {
  /** From 1, blank ones counted. */
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

/**
 * Takes a body apart into lines as it arrives. Lines that arrived together come together, within the bounds; blank ones
 * are left out. What stands after the last newline is a line only if the body ends in good order.
 * Reads on only when asked for the next batch, so the sender is held back by its socket.
 * @throws StreamError CHUNK_TOO_LARGE with `line`, after the lines before it have come; what the body throws
 */
export async function* lineBatches(body: AsyncIterable<Buffer>, bounds: LineBounds): AsyncGenerator<Line[]> {
  const splitter = new LineSplitter(bounds.maxLineBytes);
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
  #number = 0;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  *push(piece: Buffer): Generator<Line> {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      this.#hold(piece.subarray(start, end));
      start = end + 1;
      yield* this.#take();
    }
    this.#hold(piece.subarray(start));
  }

  *end(): Generator<Line> {
    if (this.#bytes > 0) yield* this.#take();
  }

  #hold(part: Buffer): void {
    this.#bytes += part.byteLength;
    if (this.#bytes > this.#maxBytes) {
      const line = this.#number + 1;
      throw new StreamError("CHUNK_TOO_LARGE", `line ${line} has more than ${this.#maxBytes} bytes`, {
        details: { line },
      });
    }
    if (part.byteLength > 0) this.#pieces.push(part);
  }

  *#take(): Generator<Line> {
    const bytes =
      this.#pieces.length === 1 && this.#pieces[0] !== undefined
        ? this.#pieces[0]
        : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    this.#number++;
    if (!isBlank(bytes)) yield { number: this.#number, bytes };
  }
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

/** Streams and chunks of a benchmark, so that all its processes mean the same by a message's number. */
export interface Workload {
  /** Begins the stream ids: two runs on one log must not share streams. */
  prefix: string;
  streams: number;
  chunksPerMessage: number;
  /** Size of each chunk's JSON as it is published. */
  chunkBytes: number;
}

export const streamIdOf = (workload: Workload, stream: number): string => `${workload.prefix}-${stream}`;

/** Streams take turns: message `number` is the ⌊number / streams⌋-th of its stream. */
export const streamOf = (workload: Workload, number: number): number => number % workload.streams;

export function firstSequenceOf(workload: Workload, number: number): number {
  return Math.floor(number / workload.streams) * workload.chunksPerMessage + 1;
}

/** The message that holds a chunk. */
export function messageNumberOf(workload: Workload, stream: number, sequence: number): number {
  return Math.floor((sequence - 1) / workload.chunksPerMessage) * workload.streams + stream;
}

const STAMP_DIGITS = 16;
const CONTENT_START = '{"type":"Text","content":"';
const CONTENT_END = '"}';
const WORDS = "the answer goes on and on until all has been said that there was to say about it ";

/** One chunk that carries when it was published, as monotonic ms, in its first characters. */
export function stampedText(chunkBytes: number, nowMs: number, number: number): string {
  const room = chunkBytes - CONTENT_START.length - CONTENT_END.length;
  const stamp = Math.round(nowMs * 1000)
    .toString()
    .padStart(STAMP_DIGITS, "0");
  // Begins at another place each time, so that no two chunks look alike to a compressor or a cache.
  const text = WORDS.repeat(Math.ceil(room / WORDS.length) + 1);
  const start = number % WORDS.length;
  return `${stamp} ${text.slice(start, start + room - STAMP_DIGITS - 1)}`;
}

export function stampedChunk(chunkBytes: number, nowMs: number, number: number): string {
  return `${CONTENT_START}${stampedText(chunkBytes, nowMs, number)}${CONTENT_END}`;
}

const CONTENT_KEY = Buffer.from('"content":"');
const ZERO = 0x30;

/** When the chunk whose JSON begins at `from` was published; NaN where it doesn't say. */
export function readStampMs(bytes: Buffer, from: number): number {
  const key = bytes.indexOf(CONTENT_KEY, from);
  if (key < 0) return Number.NaN;
  const start = key + CONTENT_KEY.byteLength;
  let microseconds = 0;
  for (let at = start; at < start + STAMP_DIGITS; at++)
    microseconds = microseconds * 10 + (bytes[at] ?? 0) - ZERO;
  return microseconds / 1000;
}

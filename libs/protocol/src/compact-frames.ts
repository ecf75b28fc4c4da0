import type { CachedChunk } from "@sluice/core";
import { chunkJsonHead } from "./chunk-json.ts";
import { cachedFrames } from "./sse-frames.ts";

/** Consecutive Text chunks that differ in nothing but content and time. */
interface Run {
  first: number;
  last: CachedChunk;
  /** The contents as they stand in the JSON, escapes and all: joined strings are the string of the joined text. */
  contents: Uint8Array[];
  /** Data and metadata of each. */
  common: Uint8Array;
  timestamp: Uint8Array;
}

/**
 * The frames of consecutive chunks of one stream, with each run of Text chunks that have the same data and metadata
 * as one: `sequence` and time are those of the last, `first_sequence` says where the run begins. A run of one is the
 * chunk's usual frame. Nothing is parsed: our encoder gives every part its place.
 */
export function compactFrames(streamId: string, chunks: readonly CachedChunk[]): Uint8Array {
  const frames: Uint8Array[] = [];
  let run: Run | null = null;
  for (const chunk of chunks) {
    const text = takeText(streamId, chunk);
    if (run !== null && text !== null && Buffer.compare(run.common, text.common) === 0) {
      run.contents.push(text.content);
      run.last = chunk;
      run.timestamp = text.timestamp;
      continue;
    }
    if (run !== null) frames.push(runFrame(streamId, run));
    run = null;
    if (text === null) frames.push(cachedFrames(streamId, [chunk]));
    else run = { ...text, first: chunk.sequence, last: chunk, contents: [text.content] };
  }
  if (run !== null) frames.push(runFrame(streamId, run));
  return Buffer.concat(frames);
}

function runFrame(streamId: string, run: Run): Uint8Array {
  const { sequence } = run.last;
  if (run.first === sequence) return cachedFrames(streamId, [run.last]);
  const head = `id: ${sequence}\nevent: text\ndata: ${chunkJsonHead(streamId, sequence)}"first_sequence":${run.first},`;
  return Buffer.concat([
    Buffer.from(head + TEXT_HEAD),
    ...run.contents,
    run.common,
    run.timestamp,
    Buffer.from("\n\n"),
  ]);
}

const TEXT_HEAD = '"chunk_type":{"type":"Text","content":"';
const TEXT_HEAD_BYTES = Buffer.from(TEXT_HEAD);
const LAST_FIELD = Buffer.from('"timestamp":');
const [QUOTE, BACKSLASH] = [0x22, 0x5c];

/** Null where it isn't a Text chunk. All parts are views. */
function takeText(
  streamId: string,
  { sequence, json }: CachedChunk,
): { content: Uint8Array; common: Uint8Array; timestamp: Uint8Array } | null {
  const bytes = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
  const typeAt = chunkJsonHead(streamId, sequence).length;
  const contentAt = typeAt + TEXT_HEAD_BYTES.byteLength;
  if (!bytes.subarray(typeAt, contentAt).equals(TEXT_HEAD_BYTES)) return null;
  let end = contentAt;
  while (end < bytes.byteLength && bytes[end] !== QUOTE) end += bytes[end] === BACKSLASH ? 2 : 1;
  const timestampAt = bytes.lastIndexOf(LAST_FIELD);
  if (timestampAt < end) return null;
  return {
    content: bytes.subarray(contentAt, end),
    common: bytes.subarray(end, timestampAt),
    timestamp: bytes.subarray(timestampAt),
  };
}

import type { LogEntry, StoredMessage } from "@sluice/core";
import { decodeMessage } from "@sluice/protocol";

/** Messages and what they hold, in the same order. */
export interface DecodedBatch {
  messages: readonly StoredMessage[];
  entries: readonly LogEntry[];
}

// What one call to the cache may write, which Redis does in one piece: everything else waits meanwhile, so each of these
// keeps a call below 10 ms. A message has up to 1,024 elements or a megabyte, so a number of messages bounds nothing.
const MAX_BATCH_ELEMENTS = 1_024;
const MAX_BATCH_BYTES = 512 * 1024;
const MAX_BATCH_STREAMS = 128;

/** Takes messages apart, in batches that one call to the cache can write. A message is never split. */
export function* batchesOf(
  messages: readonly StoredMessage[],
  maxChunkBytes: number,
): Generator<DecodedBatch, void, undefined> {
  let first = 0;
  let entries: LogEntry[] = [];
  let elements = 0;
  let bytes = 0;
  const streamIds = new Set<string>();
  for (const [index, message] of messages.entries()) {
    const entry = decodeMessage(message, maxChunkBytes);
    const isFull =
      elements + entry.elements.length > MAX_BATCH_ELEMENTS ||
      bytes + message.payload.byteLength > MAX_BATCH_BYTES ||
      (streamIds.size === MAX_BATCH_STREAMS && !streamIds.has(entry.streamId));
    if (entries.length > 0 && isFull) {
      yield { messages: messages.slice(first, index), entries };
      first = index;
      entries = [];
      elements = 0;
      bytes = 0;
      streamIds.clear();
    }
    entries.push(entry);
    elements += entry.elements.length;
    bytes += message.payload.byteLength;
    streamIds.add(entry.streamId);
  }
  if (entries.length > 0) yield { messages: messages.slice(first), entries };
}

import type { LogEntry, StoredMessage } from "@sluice/core";
import { decodeMessage } from "@sluice/protocol";

/** Messages and what they hold, in the same order. */
export interface DecodedBatch {
  messages: readonly StoredMessage[];
  entries: readonly LogEntry[];
}

// A message has up to 1,024 elements, so messages alone don't bound a call: half a million elements in one keep Redis
// from answering anybody for seconds.
const MAX_BATCH_ELEMENTS = 4_096;

/** Takes messages apart, in batches that one call to the cache can write. A message is never split. */
export function* batchesOf(
  messages: readonly StoredMessage[],
  maxChunkBytes: number,
): Generator<DecodedBatch, void, undefined> {
  let first = 0;
  let entries: LogEntry[] = [];
  let elements = 0;
  for (const [index, message] of messages.entries()) {
    const entry = decodeMessage(message, maxChunkBytes);
    if (entries.length > 0 && elements + entry.elements.length > MAX_BATCH_ELEMENTS) {
      yield { messages: messages.slice(first, index), entries };
      first = index;
      entries = [];
      elements = 0;
    }
    entries.push(entry);
    elements += entry.elements.length;
  }
  if (entries.length > 0) yield { messages: messages.slice(first), entries };
}

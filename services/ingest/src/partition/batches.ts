import type { AppliedEntry, LogEntry, StoredMessage } from "@sluice/core";
import { decodeMessage } from "@sluice/protocol";

/** A message of the log and its content. */
export interface DecodedMessage {
  readonly message: StoredMessage;
  readonly entry: LogEntry;
}

/** A message that is in the cache, and the numbers that it took. */
export interface AppliedMessage extends DecodedMessage {
  readonly outcome: AppliedEntry;
}

/** Joins a batch with the cache's answer. */
export function appliedMessages(
  batch: readonly DecodedMessage[],
  outcomes: readonly AppliedEntry[],
): AppliedMessage[] {
  return batch.map((decoded, index) => {
    const outcome = outcomes[index];
    if (outcome === undefined) throw new Error("the cache answered for fewer entries than it was given");
    return { ...decoded, outcome };
  });
}

// What one call to the cache may write, which Redis does in one piece: everything else waits meanwhile, so each of these
// keeps a call below 10 ms. A message has up to 1,024 elements or a megabyte, so a number of messages bounds nothing.
const MAX_BATCH_ELEMENTS = 1_024;
const MAX_BATCH_BYTES = 512 * 1024;
const MAX_BATCH_STREAMS = 128;

/** Decodes messages, in batches that one call to the cache can write. A message is never split; no batch is empty. */
export function* batchesOf(
  messages: readonly StoredMessage[],
  maxChunkBytes: number,
): Generator<readonly DecodedMessage[], void, undefined> {
  let batch: DecodedMessage[] = [];
  let elements = 0;
  let bytes = 0;
  const streamIds = new Set<string>();
  for (const message of messages) {
    const entry = decodeMessage(message, maxChunkBytes);
    const isFull =
      elements + entry.elements.length > MAX_BATCH_ELEMENTS ||
      bytes + message.payload.byteLength > MAX_BATCH_BYTES ||
      (streamIds.size === MAX_BATCH_STREAMS && !streamIds.has(entry.streamId));
    if (batch.length > 0 && isFull) {
      yield batch;
      batch = [];
      elements = 0;
      bytes = 0;
      streamIds.clear();
    }
    batch.push({ message, entry });
    elements += entry.elements.length;
    bytes += message.payload.byteLength;
    streamIds.add(entry.streamId);
  }
  if (batch.length > 0) yield batch;
}

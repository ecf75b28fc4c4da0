import type { StoredMessage } from "@sluice/core";
import { decodeMessage, MAX_CHUNK_BYTES } from "@sluice/protocol";

/** Whether a stream is over with this message, by what the message alone says. */
export function endsStream(message: StoredMessage): boolean {
  const { isTombstone, elements } = decodeMessage(message, MAX_CHUNK_BYTES);
  return isTombstone || elements.some((element) => element.kind === "chunk" && element.endStatus !== null);
}

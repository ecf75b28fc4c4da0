import type { Stream, StreamChunk } from "@sluice/client";

/**
 * The stream's chunks from the moment of the call on. A gap closes the stream, and fails whoever waits for the next chunk
 * or asks for it.
 * @param what the chunks are part of, in the error's message
 */
export function readGapless(stream: Stream, what: string): () => Promise<IteratorResult<StreamChunk, void>> {
  let hasGap = false;
  stream.on("gap", () => {
    hasGap = true;
    stream.close();
  });
  const chunks = stream[Symbol.asyncIterator]();
  return async () => {
    const next = await chunks.next();
    if (hasGap) throw new Error(`part of ${what} can't be had any more`);
    return next;
  };
}

import { isStreamId, StreamError, type ChunkCache } from "@sluice/core";

/** @throws StreamError INVALID_STREAM_ID */
export function checkId(streamId: string): string {
  if (isStreamId(streamId)) return streamId;
  throw new StreamError("INVALID_STREAM_ID", "a stream id is 1 to 128 of A-Z a-z 0-9 _ -");
}

/**
 * A stream's record outlives its messages: where there is one, the log alone would let the id be used again.
 * @throws StreamError STREAM_EXISTS, STREAM_DELETED
 */
export async function demandUnused(cache: Pick<ChunkCache, "readInfo">, streamId: string): Promise<void> {
  const info = await cache.readInfo(streamId);
  if (info === null) return;
  if (info.head.status === "deleted") {
    throw new StreamError("STREAM_DELETED", `stream ${streamId} was deleted: choose another id`);
  }
  throw new StreamError("STREAM_EXISTS", `stream ${streamId} exists: append to it, or choose another id`);
}

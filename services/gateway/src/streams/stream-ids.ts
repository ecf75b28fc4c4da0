import { StreamError, type ChunkCache, type StreamInfo, type StreamLog } from "@sluice/core";

/** @throws StreamError STREAM_EXISTS, STREAM_DELETED */
export async function assertUnused(cache: Pick<ChunkCache, "readInfo">, streamId: string): Promise<void> {
  const info = await cache.readInfo(streamId);
  if (info !== null) throw usedBefore(streamId, info);
}

/**
 * A stream's record outlives its messages: where there is one, the log alone would let the id be used again. What the log
 * still has it tells itself, also whether it is of a creation that is repeated.
 * @throws StreamError STREAM_EXISTS, STREAM_DELETED
 */
export async function assertNotOutlived(
  { cache, log }: { cache: Pick<ChunkCache, "readInfo">; log: Pick<StreamLog, "lastMessage"> },
  streamId: string,
): Promise<void> {
  const info = await cache.readInfo(streamId);
  if (info !== null && (await log.lastMessage(streamId)) === null) throw usedBefore(streamId, info);
}

function usedBefore(streamId: string, { head }: StreamInfo): StreamError {
  return head.status === "deleted"
    ? new StreamError("STREAM_DELETED", `stream ${streamId} was deleted: choose another id`)
    : new StreamError("STREAM_EXISTS", `stream ${streamId} exists: append to it, or choose another id`);
}

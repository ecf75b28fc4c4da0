import type { LoggedStream, StreamInfo } from "@sluice/core";

/** A stream's record in the memory cache: what is told of it, and how long its chunks are to live. */
export interface StreamRecord {
  info: StreamInfo;
  /** The longest that any of its chunks asked for; reading renews by it. */
  chunkTtlSeconds: number;
}

export function newRecord(streamId: string, createdMs: number): StreamRecord {
  return {
    info: {
      streamId,
      head: { sequence: 0, brokerSequence: 0, status: "open" },
      chunkCount: 0,
      byteCount: 0,
      createdMs,
      updatedMs: createdMs,
      endedMs: null,
      options: null,
      beatIntervalMs: null,
      cancelRequest: null,
    },
    chunkTtlSeconds: 0,
  };
}

/** The record after a restore: never a lower head, never an ended stream open again. */
export function completeRecord(
  record: StreamRecord | null,
  restored: LoggedStream,
  chunkTtlSeconds: number,
): StreamRecord {
  if (record === null)
    return { info: { ...structuredClone(restored), cancelRequest: null }, chunkTtlSeconds };
  const { info } = record;
  const isAhead =
    (restored.head.brokerSequence > info.head.brokerSequence || restored.updatedMs > info.updatedMs) &&
    restored.head.sequence >= info.head.sequence &&
    (info.head.status === "open" ||
      restored.head.status === info.head.status ||
      restored.head.status === "deleted");
  return {
    info: {
      streamId: info.streamId,
      head: isAhead ? { ...restored.head } : info.head,
      chunkCount: Math.max(info.chunkCount, restored.chunkCount),
      byteCount: Math.max(info.byteCount, restored.byteCount),
      createdMs: Math.min(info.createdMs, restored.createdMs),
      updatedMs: Math.max(info.updatedMs, restored.updatedMs),
      endedMs: info.endedMs ?? (isAhead ? restored.endedMs : null),
      options: info.options ?? restored.options,
      beatIntervalMs: isAhead ? restored.beatIntervalMs : info.beatIntervalMs,
      cancelRequest: info.cancelRequest,
    },
    chunkTtlSeconds: Math.max(record.chunkTtlSeconds, chunkTtlSeconds),
  };
}

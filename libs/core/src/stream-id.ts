import { StreamError } from "./stream-error.ts";

const STREAM_ID = /^[\w-]{1,128}$/;

/** 1 to 128 of `A-Z a-z 0-9 _ -`: safe as a NATS subject token, in a Redis key, in a URL and in JSON as it is. */
export function isStreamId(value: string): boolean {
  return STREAM_ID.test(value);
}

/**
 * Returns the value if it is a stream id.
 * @throws StreamError INVALID_STREAM_ID
 */
export function assertStreamId(value: unknown): string {
  if (typeof value === "string" && isStreamId(value)) return value;
  throw new StreamError(
    "INVALID_STREAM_ID",
    "a stream id must be 1 to 128 characters out of A-Z a-z 0-9 _ -",
  );
}

/** FNV-1a, 32 bit, over the id's ASCII bytes. nats-server's `partition()` computes the same. */
function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** The partition of a stream, 0 to `partitions` − 1; equal to what the log's subject transform chooses. */
export function partitionOf(streamId: string, partitions: number): number {
  return fnv1a32(streamId) % partitions;
}

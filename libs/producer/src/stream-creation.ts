import { partitionOf, StreamError, type ReceiptFeed, type StreamLog } from "@sluice/core";
import { streamOptionsSchema, type StreamOptions } from "@sluice/protocol";
import type { HandleMode } from "./publisher.ts";
import type { Confirmation } from "./stream-handle.ts";

export interface OpenOptions {
  mode?: HandleMode;
  /** What sends wait for that don't say. */
  confirm?: Confirmation;
}

export interface CreateOptions extends OpenOptions {
  /** A random UUID where it is absent. */
  streamId?: string;
  options?: StreamOptions;
  /** Unique for ever: whoever repeats the creation under this name succeeds again. */
  name?: string;
  /** The stream is cancelled when nobody has read it for so long, 5 s to a day; by default it never is for want of readers. */
  cancelWhenAbandonedSeconds?: number;
}

// An owner answers in milliseconds; where there is none, NATS says so at once.
export const RECORD_TIMEOUT_MS = 2_000;

/**
 * What the creating message carries; null: nothing.
 * @throws StreamError INVALID_REQUEST where options are of another shape; UNPROCESSABLE where they are above 4 KiB, or have
 * a value that can't be kept
 */
export function encodeOptions({ options, cancelWhenAbandonedSeconds }: CreateOptions): string | null {
  if (options === undefined && cancelWhenAbandonedSeconds === undefined) return null;
  const abandoned =
    cancelWhenAbandonedSeconds === undefined
      ? {}
      : { cancel_when_abandoned_seconds: cancelWhenAbandonedSeconds };
  const parsed = streamOptionsSchema.safeParse({ ...options, ...abandoned });
  if (parsed.success) return JSON.stringify(parsed.data);
  const issue = parsed.error.issues[0];
  const field = ["options", ...(issue?.path ?? [])].join(".");
  const code = issue?.code === "custom" ? "UNPROCESSABLE" : "INVALID_REQUEST";
  throw new StreamError(code, `${field}: ${issue?.message ?? "invalid"}`, { details: { field } });
}

/**
 * A stream's record outlives its messages: by the log alone its id could be used again, and nobody would get what is sent.
 * What the log still has it tells itself, also whether it is of a creation that is repeated.
 * @throws StreamError STREAM_EXISTS, STREAM_DELETED
 */
export async function assertNotOutlived(
  log: Pick<StreamLog, "lastMessage" | "partitions">,
  receiptFeed: Pick<ReceiptFeed, "askHead"> | undefined,
  streamId: string,
): Promise<void> {
  const head = await receiptFeed?.askHead(partitionOf(streamId, log.partitions), streamId, RECORD_TIMEOUT_MS);
  // Without an owner that knows, the log decides alone.
  if (head === null || head === undefined) return;
  if ((await log.lastMessage(streamId)) === null) throw usedBefore(streamId, head.status === "deleted");
}

/** What a creation failed with, in the caller's terms: the log only knows that something stands there. */
export async function whyNotCreated(
  log: Pick<StreamLog, "lastMessage">,
  streamId: string,
  error: unknown,
): Promise<unknown> {
  const isTaken =
    error instanceof StreamError && ["FENCED", "STREAM_ENDED", "STREAM_DELETED"].includes(error.code);
  if (!isTaken) return error;
  const last = await log.lastMessage(streamId);
  return usedBefore(streamId, last?.control === "delete");
}

function usedBefore(streamId: string, isDeleted: boolean): StreamError {
  return isDeleted
    ? new StreamError("STREAM_DELETED", `stream ${streamId} was deleted: choose another id`)
    : new StreamError("STREAM_EXISTS", `stream ${streamId} exists: open it, or choose another id`);
}

import { partitionOf, StreamError, type ReceiptFeed, type StreamLog } from "@sluice/core";
import { streamOptionsSchema, type StreamOptions } from "@sluice/protocol";
import type { HandleMode } from "./publisher.ts";
import type { Confirmation } from "./stream-handle.ts";

/** Options of {@link StreamManager.openStream}. */
export interface OpenOptions {
  /**
   * Whether this handle is the stream's only writer.
   * @defaultValue `"exclusive"`
   */
  mode?: HandleMode;
  /**
   * Fact that sends wait for, unless they say otherwise.
   * @defaultValue `"durable"`
   */
  confirm?: Confirmation;
}

/**
 * Options of {@link StreamManager.createStream}.
 * @example
 * ```ts
 * import type { CreateOptions } from "@sluice/producer";
 *
 * const request: CreateOptions = {
 *   streamId: "answer-42",
 *   options: { cache_ttl: 600, custom: { model: "m1" } },
 *   cancelWhenAbandonedSeconds: 300,
 * };
 * console.log(request);
 * ```
 */
export interface CreateOptions extends OpenOptions {
  /**
   * Id of the stream: 1 to 128 characters of `A-Z a-z 0-9 _ -`, never used before. Whoever knows it can read the stream.
   * @defaultValue a random UUID
   */
  streamId?: string;
  /** Options that the log keeps, at most 4,096 bytes of JSON: PROTOCOL.md, 5.3. */
  options?: StreamOptions;
  /** Name of this creation, unique for ever. A repeat under the same name succeeds again, in whatever process. */
  name?: string;
  /**
   * Time without a reader after which the stream is cancelled, seconds, 5 to 86,400.
   * @defaultValue none: it is never cancelled for want of readers
   */
  cancelWhenAbandonedSeconds?: number;
  /**
   * Readers get a keep-alive comment after at most this much silence, ms: 1,000 to 3,600,000. An edge never waits longer
   * than its own KEEP_ALIVE_INTERVAL_MS, which is the default.
   */
  heartbeatIntervalMs?: number;
}

// An owner answers in milliseconds; where there is none, NATS says so at once.
export const RECORD_TIMEOUT_MS = 2_000;

/**
 * Content of the creating message; null: nothing.
 * @throws StreamError INVALID_REQUEST where options are of another shape; UNPROCESSABLE where they are above 4 KiB, or have
 * a value that can't be kept
 */
export function encodeOptions(creation: CreateOptions): string | null {
  const { options, cancelWhenAbandonedSeconds, heartbeatIntervalMs } = creation;
  const named = {
    ...(cancelWhenAbandonedSeconds !== undefined && {
      cancel_when_abandoned_seconds: cancelWhenAbandonedSeconds,
    }),
    ...(heartbeatIntervalMs !== undefined && { heartbeat_interval_ms: heartbeatIntervalMs }),
  };
  if (options === undefined && Object.keys(named).length === 0) return null;
  const parsed = streamOptionsSchema.safeParse({ ...options, ...named });
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

/** Translates the failure of a creation into the caller's terms: the log only knows that something stands there. */
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

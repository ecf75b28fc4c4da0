import type { StreamErrorCode } from "@sluice/core";

/**
 * Codes of PROTOCOL.md, section 11, the code of an Error chunk, and those of the client itself: `CONNECTION` (no answer, or
 * one that broke off), `HTTP_<status>` (the answer of a proxy, or of a newer server), `CLOSED` (the application closed the
 * stream), `INCOMPLETE` (a text with gaps), `STREAM_CANCELLED` and `STREAM_ERRORED` (the end of a text whose last chunk
 * isn't there any more).
 */
export type SluiceErrorCode = StreamErrorCode | "CANCELLED" | "CLOSED" | "INCOMPLETE" | (string & {});

interface Facts {
  /** Status of the HTTP answer; null: no answer came. */
  readonly status: number | null;
  /** Whether a further attempt may succeed. */
  readonly isRetryable: boolean;
  /** Time that the server asked to wait for, in milliseconds; 0: it didn't. */
  readonly retryAfterMs: number;
}

/**
 * Reason why a stream can't be read or stopped. `code` is for programs, `message` for people.
 *
 * @example
 * ```ts
 * import { SluiceError, type Stream } from "@sluice/client";
 *
 * export async function textOrNull(stream: Stream): Promise<string | null> {
 *   try {
 *     return await stream.text();
 *   } catch (error) {
 *     if (error instanceof SluiceError && error.code === "STREAM_NOT_FOUND") return null;
 *     throw error;
 *   }
 * }
 * ```
 */
export class SluiceError extends Error implements Facts {
  override readonly name = "SluiceError";
  /** The reason, for programs. */
  readonly code: SluiceErrorCode;
  readonly status: number | null = null;
  readonly isRetryable: boolean = false;
  readonly retryAfterMs: number = 0;

  constructor(code: SluiceErrorCode, message: string, facts: Partial<Facts> & { cause?: unknown } = {}) {
    super(message);
    this.code = code;
    Object.assign(this, facts);
  }
}

/** Describes a failure after which the next attempt may succeed: no answer, or one that broke off. */
export function connectionError(message: string, cause?: unknown): SluiceError {
  return new SluiceError("CONNECTION", message, { isRetryable: true, cause });
}

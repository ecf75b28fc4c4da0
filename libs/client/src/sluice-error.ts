import type { StreamErrorCode } from "@sluice/core";

/**
 * Codes of PROTOCOL.md, and those that only a reader can meet: `UNAUTHORIZED` (401 twice in a row, with headers asked for
 * anew), `FORBIDDEN`, `INCOMPLETE` (a text with a hole). Proxies and newer servers may send others.
 */
export type SluiceErrorCode =
  | StreamErrorCode
  | "UNAUTHORIZED"
  | "FORBIDDEN"
  | "CANCELLED"
  | "INCOMPLETE"
  | (string & {});

/** Why something can't be read (or stopped). */
export class SluiceError extends Error {
  override readonly name = "SluiceError";
  readonly code: SluiceErrorCode;
  /** Of HTTP; null where no answer came. */
  readonly status: number | null;
  /** A further attempt may succeed. */
  readonly isRetryable: boolean;
  /** What the server asked to wait for, ms. */
  readonly retryAfterMs: number;

  constructor(
    code: SluiceErrorCode,
    message: string,
    facts: { status?: number; isRetryable?: boolean; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.status = facts.status ?? null;
    this.isRetryable = facts.isRetryable ?? false;
    this.retryAfterMs = facts.retryAfterMs ?? 0;
  }
}

/** No answer, or one that broke off: a connection that may be better the next time. */
export function connectionError(message: string, cause?: unknown): SluiceError {
  return new SluiceError("CONNECTION", message, { isRetryable: true, cause });
}

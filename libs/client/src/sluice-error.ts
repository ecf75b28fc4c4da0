import type { StreamErrorCode } from "@sluice/core";

/**
 * Codes of PROTOCOL.md, and those that only a reader can meet: `HTTP_<status>` (a proxy's answer, or a newer server's),
 * `INCOMPLETE` (a text with a hole), `STREAM_CANCELLED` and `STREAM_ERRORED` (how a text ended that an earlier page read).
 */
export type SluiceErrorCode = StreamErrorCode | "CANCELLED" | "INCOMPLETE" | (string & {});

interface Facts {
  /** Of HTTP; null where no answer came. */
  readonly status: number | null;
  /** A further attempt may succeed. */
  readonly isRetryable: boolean;
  /** What the server asked to wait for, ms. */
  readonly retryAfterMs: number;
}

/** Why something can't be read, or stopped. */
export class SluiceError extends Error implements Facts {
  override readonly name = "SluiceError";
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

/** No answer, or one that broke off: a connection that may be better the next time. */
export function connectionError(message: string, cause?: unknown): SluiceError {
  return new SluiceError("CONNECTION", message, { isRetryable: true, cause });
}

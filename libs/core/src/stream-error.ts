/** Every way in which Sluice refuses or fails, with the HTTP status that tells it and whether trying again can help. */
const CODES = {
  STREAM_NOT_FOUND: { status: 404, retryable: false },
  STREAM_EXISTS: { status: 409, retryable: false },
  STREAM_ENDED: { status: 409, retryable: false },
  STREAM_DELETED: { status: 410, retryable: false },
  INVALID_STREAM_ID: { status: 400, retryable: false },
  INVALID_RESUME_TOKEN: { status: 400, retryable: false },
  INVALID_REQUEST: { status: 400, retryable: false },
  UNPROCESSABLE: { status: 422, retryable: false },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, retryable: false },
  INVALID_CHUNK: { status: 422, retryable: false },
  IDEMPOTENCY_KEY_REUSED: { status: 422, retryable: false },
  CHUNK_TOO_LARGE: { status: 413, retryable: false },
  REQUEST_TIMEOUT: { status: 408, retryable: true },
  EXPECTATION_FAILED: { status: 417, retryable: false },
  HEADERS_TOO_LARGE: { status: 431, retryable: false },
  TOO_MANY_REQUESTS: { status: 429, retryable: true },
  MISDIRECTED: { status: 421, retryable: false },
  CROSS_SITE: { status: 403, retryable: false },
  NOT_FOUND: { status: 404, retryable: false },
  METHOD_NOT_ALLOWED: { status: 405, retryable: false },
  CONNECTION_NOT_FOUND: { status: 404, retryable: false },
  ALREADY_FOLLOWED: { status: 409, retryable: false },
  CANCELLED: { status: 409, retryable: false },
  FENCED: { status: 409, retryable: false },
  BUFFER_OVERFLOW: { status: 503, retryable: true },
  BACKPRESSURE_EXCEEDED: { status: 503, retryable: true },
  QUOTA_EXCEEDED: { status: 429, retryable: true },
  OVERLOADED: { status: 503, retryable: true },
  DRAINING: { status: 503, retryable: true },
  STORAGE_FULL: { status: 503, retryable: true },
  LOG_FULL: { status: 507, retryable: true },
  LOG_UNAVAILABLE: { status: 503, retryable: true },
  LOG_INCOMPATIBLE: { status: 500, retryable: false },
  UNCONFIRMED: { status: 504, retryable: false },
  CACHE_UNAVAILABLE: { status: 503, retryable: true },
  CONNECTION: { status: 503, retryable: true },
  NO_WORKER: { status: 503, retryable: true },
  SERIALIZATION: { status: 500, retryable: false },
  CLOSED: { status: 503, retryable: false },
} satisfies Record<string, { status: number; retryable: boolean }>;

export type StreamErrorCode = keyof typeof CODES;

/** Whether a code that came over the wire is one that this version knows. */
export function isStreamErrorCode(code: string): code is StreamErrorCode {
  return Object.hasOwn(CODES, code);
}

/** All of them, in the order of PROTOCOL.md. */
export const STREAM_ERROR_CODES = Object.keys(CODES) as readonly StreamErrorCode[];

/** Error that a caller may have to act on. Broken invariants are plain `Error`s and crash instead. */
export class StreamError extends Error {
  override readonly name = "StreamError";
  readonly code: StreamErrorCode;
  /** Facts for the caller to branch on (the field, the line), merged into the HTTP problem document. */
  readonly details: Readonly<Record<string, JsonDetail>>;

  /** @param message a sentence that says what to mend; it reaches the client */
  constructor(
    code: StreamErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, JsonDetail> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  get status(): number {
    return CODES[this.code].status;
  }

  get retryable(): boolean {
    return CODES[this.code].retryable;
  }
}

type JsonDetail = string | number | boolean | null;

import { JetStreamApiError } from "@nats-io/jetstream";
import {
  ClosedConnectionError,
  DrainingConnectionError,
  NoRespondersError,
  RequestError,
} from "@nats-io/nats-core";
import { StreamError } from "@sluice/core";

/** JetStream's error numbers that we act on. */
export const JETSTREAM_ERROR = {
  insufficientResources: 10023,
  storageExceeded: 10047,
  messageTooLarge: 10054,
  nameInUse: 10058,
  streamNotFound: 10059,
  wrongLastSequence: 10071,
  /** The store refused: under `discard: new` a full log, by bytes or by messages. */
  storeFailed: 10077,
  duplicateInProcess: 10158,
  wrongLastSequenceUnknown: 10164,
} as const;

/** The number of the JetStream API's refusal, or null where the error is none. */
export function jetStreamErrorCode(error: unknown): number | null {
  return error instanceof JetStreamApiError ? error.code : null;
}

/** Nobody listens on the subject: what was asked for has certainly not been done. */
export function isNoResponders(error: unknown): boolean {
  // JetStream wraps it as "not enabled"; the truth is in the cause.
  const request = error instanceof Error && error.cause instanceof RequestError ? error.cause : error;
  // And a request for many answers throws it as it is.
  if (request instanceof NoRespondersError) return true;
  return request instanceof RequestError && request.isNoResponders();
}

/** Thrown before anything went out. */
export function isNeverSent(error: unknown): boolean {
  const own = error instanceof RequestError && error.cause !== undefined ? error.cause : error;
  return own instanceof ClosedConnectionError || own instanceof DrainingConnectionError;
}

export function logUnavailable(doing: string, cause: unknown): StreamError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StreamError("LOG_UNAVAILABLE", `the log could not be reached to ${doing}: ${reason}`, { cause });
}

/** Runs a request to the log; whatever goes wrong is LOG_UNAVAILABLE. */
export async function askLog<Answer>(doing: string, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    throw error instanceof StreamError ? error : logUnavailable(doing, error);
  }
}

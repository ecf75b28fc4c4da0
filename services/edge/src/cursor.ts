import { StreamError } from "@sluice/core";
import { decodeResumeToken, parseSequence } from "@sluice/protocol";
import type { Request } from "express";

/** Where a reader wants to go on. */
export interface Position {
  /** The last sequence that the reader has; 0: none. */
  cursor: number;
  /** The reader named a position: it has been here before, or means to skip. */
  isResumed: boolean;
}

/**
 * The first of these that is there: `Last-Event-ID` header, `last_event_id` or `lastEventId` in the query (polyfills),
 * `resume_token`, `from` (the first sequence wanted); else the beginning. The header comes first since a browser
 * sends the URL it began with, stale token and all, beside the newer header.
 * @throws StreamError INVALID_RESUME_TOKEN, INVALID_REQUEST
 */
export function readPosition(request: Request, streamId: string): Position {
  const lastEventId =
    request.get("last-event-id") ||
    queryValue(request, "last_event_id") ||
    queryValue(request, "lastEventId");
  if (lastEventId) return { cursor: sequenceOf(lastEventId, "the last event id"), isResumed: true };

  const token = queryValue(request, "resume_token");
  if (token) {
    const position = decodeResumeToken(token);
    if (position.streamId !== streamId) {
      throw new StreamError("INVALID_RESUME_TOKEN", "resume_token belongs to another stream");
    }
    return { cursor: position.sequence, isResumed: true };
  }

  const from = queryValue(request, "from");
  if (!from) return { cursor: 0, isResumed: false };
  const first = sequenceOf(from, "from");
  if (first < 1) throw new StreamError("INVALID_REQUEST", "from counts from 1");
  return { cursor: first - 1, isResumed: true };
}

/** @throws StreamError INVALID_REQUEST where it is given more than once */
export function queryValue(request: Request, name: string): string | undefined {
  const value = request.query[name];
  if (value === undefined || typeof value === "string") return value;
  throw new StreamError("INVALID_REQUEST", `${name} must be given once`);
}

function sequenceOf(text: string, what: string): number {
  const sequence = parseSequence(text);
  if (sequence === null)
    throw new StreamError("INVALID_REQUEST", `${what} must be a sequence: decimal digits`);
  return sequence;
}

import { StreamError, type StartPoint } from "@sluice/core";
import { decodeMultiPosition, decodeResumeToken, parseSequence } from "@sluice/protocol";
import type { Request } from "express";

/** Where a reader wants to begin. */
export interface Position {
  start: StartPoint;
  /** The reader has been here before. */
  isResumed: boolean;
}

/**
 * The first of these that is there: `Last-Event-ID` header, `last_event_id` or `lastEventId` in the query (polyfills),
 * `resume_token`, `from` (the first sequence wanted), `tail` (how many of the last); else the beginning. The header comes
 * first since a browser sends the URL it began with, stale token and all, beside the newer header.
 * @throws StreamError INVALID_RESUME_TOKEN, INVALID_REQUEST
 */
export function readPosition(request: Request, streamId: string): Position {
  const lastEventId = readLastEventId(request);
  if (lastEventId !== null) {
    return { start: after(sequenceOf(lastEventId, "the last event id")), isResumed: true };
  }
  const token = queryValue(request, "resume_token");
  if (token) {
    const position = decodeResumeToken(token);
    if (position.streamId !== streamId) {
      throw new StreamError("INVALID_RESUME_TOKEN", "resume_token belongs to another stream");
    }
    return { start: after(position.sequence), isResumed: true };
  }
  return { start: readStart(request), isResumed: false };
}

/** Where the reader of many streams wants to begin. */
export interface ManyPositions {
  /** Starts by stream, those of the URL first, in its order. */
  starts: ReadonlyMap<string, StartPoint>;
  dropped: readonly string[];
  isResumed: boolean;
  /** True if it comes with an id that this connection's predecessor sent. */
  isReconnect: boolean;
}

/**
 * Reads the position of each stream from the first of these that is there: the connection's last event id, one of the `resume_token`s (given once
 * a stream), `from` and `tail` (for all of them).
 * @throws StreamError INVALID_RESUME_TOKEN, INVALID_REQUEST
 */
export function readMultiPosition(request: Request, listed: readonly string[]): ManyPositions {
  const lastEventId = readLastEventId(request);
  const last = lastEventId === null ? null : decodeMultiPosition(lastEventId, listed.length);
  const tokens = readTokens(request, listed);
  const fallback = readStart(request);
  const starts = new Map<string, StartPoint>();
  const dropped: string[] = [];
  for (const [index, streamId] of listed.entries()) {
    const position = last?.listed[index] ?? tokens.get(streamId);
    if (position === "dropped") dropped.push(streamId);
    else starts.set(streamId, position === undefined ? fallback : after(position));
  }
  for (const { streamId, sequence } of last?.added ?? []) {
    if (listed.includes(streamId))
      throw new StreamError("INVALID_REQUEST", `stream ${streamId} is named twice`);
    starts.set(streamId, after(sequence));
  }
  return { starts, dropped, isResumed: last !== null || tokens.size > 0, isReconnect: last !== null };
}

function readTokens(request: Request, listed: readonly string[]): Map<string, number> {
  const values: unknown = request.query["resume_token"];
  const tokens = new Map<string, number>();
  for (const value of Array.isArray(values) ? values : [values]) {
    if (typeof value !== "string" || value === "") continue;
    const { streamId, sequence } = decodeResumeToken(value);
    if (!listed.includes(streamId))
      throw new StreamError("INVALID_RESUME_TOKEN", "resume_token belongs to another stream");
    tokens.set(streamId, sequence);
  }
  return tokens;
}

/**
 * The position that the client's connection was at, as it sends it; null where it sends none. Proxies and polyfills repeat
 * it: equal headers count once. In the query, where each reconnect may add another one, the last counts.
 * @throws StreamError INVALID_REQUEST where headers differ
 */
function readLastEventId(request: Request): string | null {
  const given = (request.headersDistinct["last-event-id"] ?? []).flatMap((value) => value.split(", "));
  const [header, ...others] = new Set(given.map((value) => value.trim()).filter((value) => value !== ""));
  if (others.length > 0)
    throw new StreamError("INVALID_REQUEST", "the request has several headers Last-Event-ID that differ");
  return header ?? lastInQuery(request);
}

function lastInQuery({ originalUrl }: Request): string | null {
  const { searchParams } = new URL(originalUrl, "http://edge");
  const names = new Set(["last_event_id", "lastEventId"]);
  const values = [...searchParams].filter(([name, value]) => names.has(name) && value !== "");
  return values.at(-1)?.[1] ?? null;
}

/** `from`, else `tail`, else the beginning. @throws StreamError INVALID_REQUEST */
export function readStart(request: Request): StartPoint {
  const from = queryValue(request, "from");
  if (from) {
    const first = sequenceOf(from, "from");
    if (first < 1) throw new StreamError("INVALID_REQUEST", "from counts from 1");
    return after(first - 1);
  }
  const tail = queryValue(request, "tail");
  return tail ? { kind: "tail", count: sequenceOf(tail, "tail") } : after(0);
}

/** A whole number from the query, `fallback` where it isn't there. @throws StreamError INVALID_REQUEST */
export function queryNumber(request: Request, name: string, fallback: number): number {
  const text = queryValue(request, name);
  if (!text) return fallback;
  const value = parseSequence(text);
  if (value === null) throw new StreamError("INVALID_REQUEST", `${name} must be a whole number`);
  return value;
}

const after = (sequence: number): StartPoint => ({ kind: "after", sequence });

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

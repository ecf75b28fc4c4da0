import { StreamError } from "@sluice/core";
import { Router, type Request, type RequestHandler, type Response } from "express";
import { queryNumber, readStart } from "./cursor.ts";
import { findCursor, readHistory, type HistoryPage } from "./history.ts";
import { Patience } from "./patience.ts";
import { readStreamId, type RouteParts } from "./route-parts.ts";

const DEFAULT_CHUNKS = 100;
const MAX_CHUNKS = 1_000;
// A page is one Redis reply and one buffer here: without this bound a thousand chunks of a megabyte are a gigabyte.
const MAX_BYTES = 1024 * 1024;

/** `GET /streams/:streamId/chunks`: pages of a stream, for programs, and for clients behind proxies that break SSE. */
export function historyRoute(parts: RouteParts): Router {
  const router = Router();
  router.get("/streams/:streamId/chunks", serveHistory(parts));
  return router;
}

function serveHistory(parts: RouteParts): RequestHandler {
  const { metrics, settings } = parts.context;
  return async (request, response) => {
    const streamId = readStreamId(request.params["streamId"]);
    const limit = Math.min(Math.max(queryNumber(request, "limit", DEFAULT_CHUNKS), 1), MAX_CHUNKS);
    const waitMs = Math.min(queryNumber(request, "wait", 0) * 1000, settings.maxWaitMs);
    parts.pressure.admit(request.ip ?? "");
    try {
      const page = await findPage(parts, { streamId, request, response, limit, waitMs });
      if (response.closed) return;
      if (page === null) throw new StreamError("STREAM_NOT_FOUND", `there is no stream ${streamId}`);
      if (page.status === "deleted")
        throw new StreamError("STREAM_DELETED", `stream ${streamId} was deleted`);
      metrics.historyPages.inc();
      sendPage(request, response, streamId, page);
    } catch (error) {
      if (error instanceof StreamError) metrics.refusals.inc({ code: error.code });
      throw error;
    }
  };
}

interface Poll {
  streamId: string;
  request: Request;
  response: Response;
  limit: number;
  waitMs: number;
}

/** Reads until there is something to tell or the time is over; null: there is no such stream. */
async function findPage(parts: RouteParts, poll: Poll): Promise<HistoryPage | null> {
  const { streamId, request, response, limit, waitMs } = poll;
  const { lookUp } = parts.context;
  const bounds = { maxChunks: limit, maxBytes: MAX_BYTES };
  const start =
    queryNumber(request, "after", -1) >= 0
      ? { kind: "after" as const, sequence: queryNumber(request, "after", 0) }
      : readStart(request);
  if (waitMs === 0) {
    const cursor = await findCursor(lookUp, streamId, start);
    return cursor === null ? null : readHistory(lookUp, streamId, cursor, bounds);
  }
  const gone = new AbortController();
  const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(waitMs), parts.closing]);
  response.once("close", () => gone.abort());
  const waiter = parts.hub.watch(streamId);
  const patience = new Patience(waitMs);
  signal.addEventListener("abort", () => patience.cancel(), { once: true });
  try {
    for (;;) {
      await waiter.confirmed();
      const cursor = await findCursor(lookUp, streamId, start);
      const page = cursor === null ? null : await readHistory(lookUp, streamId, cursor, bounds);
      if (page !== null && cursor !== null && !hasNews(page, cursor)) {
        waiter.markKnown();
        await waiter.past(cursor, signal);
        return signal.aborted ? page : await readHistory(lookUp, streamId, cursor, bounds);
      }
      if (page !== null || signal.aborted || !(await patience.pause())) return page;
    }
  } finally {
    waiter.leave();
    gone.abort();
  }
}

function hasNews(page: HistoryPage, cursor: number): boolean {
  return page.nextAfter !== cursor || page.gaps.length > 0 || page.status !== "open";
}

/** Chunks leave as the bytes that the cache has. In NDJSON, where each line is a chunk, the rest is in headers. */
function sendPage(request: Request, response: Response, streamId: string, page: HistoryPage): void {
  const { chunks, gaps, nextAfter, head, status } = page;
  response.setHeader("Cache-Control", "no-cache");
  response.vary("Accept");
  if (request.accepts(["application/json", "application/x-ndjson"]) === "application/x-ndjson") {
    response.setHeader("Content-Type", "application/x-ndjson");
    response.setHeader("Sluice-Next-After", nextAfter);
    response.setHeader("Sluice-Head", head);
    response.setHeader("Sluice-Status", status);
    if (gaps.length > 0) response.setHeader("Sluice-Gaps", JSON.stringify(gaps));
    response.end(Buffer.concat(chunks.flatMap((chunk) => [chunk.json, NEWLINE])));
    return;
  }
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  const rest = { next_after: nextAfter, head, status, ...(gaps.length > 0 ? { gaps } : {}) };
  const parts: Uint8Array[] = [Buffer.from(`{"stream_id":"${streamId}","chunks":[`)];
  for (const [index, chunk] of chunks.entries()) {
    if (index > 0) parts.push(COMMA);
    parts.push(chunk.json);
  }
  parts.push(Buffer.from(`],${JSON.stringify(rest).slice(1)}`));
  response.end(Buffer.concat(parts));
}

const COMMA = Buffer.from(",");
const NEWLINE = Buffer.from("\n");

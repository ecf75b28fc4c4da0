import { assertStreamId, StreamError, type StartPoint } from "@sluice/core";
import { Router, type Request, type RequestHandler, type Response } from "express";
import { queryNumber, queryValue, readStart } from "./start-position.ts";
import { findCursor, readHistory, type HistoryPage } from "./history.ts";
import { clientGone } from "./client-gone.ts";
import type { ReadingClient } from "../stream/page-reads.ts";
import { RetryWindow } from "../stream/retry-window.ts";
import type { RouteOptions } from "./route-options.ts";

const DEFAULT_CHUNKS = 100;
const MAX_CHUNKS = 1_000;
// A page is one Redis reply and one buffer here: without this bound a thousand chunks of a megabyte are a gigabyte.
const MAX_BYTES = 1024 * 1024;

/** `GET /streams/:streamId/chunks`: pages of a stream, for programs, and for clients behind proxies that break SSE. */
export function historyRoute(parts: RouteOptions): Router {
  const router = Router();
  router.get("/streams/:streamId/chunks", serveHistory(parts));
  return router;
}

function serveHistory(parts: RouteOptions): RequestHandler {
  const { metrics, settings } = parts.context;
  return async (request, response) => {
    const streamId = assertStreamId(request.params["streamId"]);
    const start = readHistoryStart(request);
    const limit = Math.min(Math.max(queryNumber(request, "limit", DEFAULT_CHUNKS), 1), MAX_CHUNKS);
    const waitMs = Math.min(queryNumber(request, "wait", 0) * 1000, settings.maxWaitMs);
    const client = { address: request.ip ?? "", signal: clientGone(request, response) };
    parts.admission.admit(client.address);
    try {
      const page = await findPage(parts, { streamId, start, client, limit, waitMs });
      if (client.signal.aborted) return;
      if (page === null) throw new StreamError("STREAM_NOT_FOUND", `there is no stream ${streamId}`);
      if (page.status === "deleted")
        throw new StreamError("STREAM_DELETED", `stream ${streamId} was deleted`);
      metrics.historyPages.inc();
      sendPage(request, response, streamId, page);
    } catch (error) {
      if (client.signal.aborted) return;
      if (error instanceof StreamError) metrics.refusals.inc({ code: error.code });
      throw error;
    }
  };
}

/** `after`, else as for events. */
function readHistoryStart(request: Request): StartPoint {
  if (!queryValue(request, "after")) return readStart(request);
  return { kind: "after", sequence: queryNumber(request, "after", 0) };
}

interface Poll {
  streamId: string;
  start: StartPoint;
  client: ReadingClient;
  limit: number;
  waitMs: number;
}

/** Reads until there is something to tell or the time is over; null: there is no such stream. */
async function findPage(parts: RouteOptions, poll: Poll): Promise<HistoryPage | null> {
  const { lookup } = parts.context;
  const { streamId, start, client, waitMs } = poll;
  const bounds = { maxChunks: poll.limit, maxBytes: MAX_BYTES };
  const read = async (): Promise<{ page: HistoryPage; cursor: number } | null> => {
    const cursor = await findCursor(lookup, streamId, start, client);
    if (cursor === null) return null;
    const page = await readHistory(lookup, streamId, cursor, bounds, client);
    return page && { page, cursor };
  };
  if (waitMs === 0) return (await read())?.page ?? null;

  const waiter = parts.hub.watch(streamId);
  const retryWindow = new RetryWindow(waitMs);
  const over = new AbortController();
  over.signal.addEventListener("abort", () => retryWindow.cancel(), { once: true });
  const stopWaiting = (): void => over.abort();
  const timer = setTimeout(stopWaiting, waitMs);
  parts.closing.addEventListener("abort", stopWaiting);
  client.signal.addEventListener("abort", stopWaiting, { once: true });
  try {
    const look = async (): ReturnType<typeof read> => {
      await waiter.confirmed();
      return read();
    };
    const found = await parts.hub.pendingStreams.find(look, {
      streamId,
      address: poll.client.address,
      retryWindow,
      isOver: () => over.signal.aborted,
    });
    if (found === null || hasNews(found.page, found.cursor)) return found?.page ?? null;
    waiter.markKnown();
    await waiter.past(found.cursor, over.signal);
    if (over.signal.aborted) return found.page;
    return await readHistory(lookup, streamId, found.cursor, bounds, client);
  } finally {
    clearTimeout(timer);
    parts.closing.removeEventListener("abort", stopWaiting);
    waiter.leave();
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

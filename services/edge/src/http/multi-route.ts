import { assertStreamId, StreamError } from "@sluice/core";
import { MAX_STREAMS_PER_CONNECTION } from "@sluice/protocol";
import type { Request, Response } from "express";
import { readRequest } from "./read-request.ts";
import { readMultiPosition } from "./start-position.ts";
import { MultiConnection } from "../connection/multi-connection.ts";
import { clientGone } from "./client-gone.ts";
import { openConnection } from "./open-connection.ts";
import { CONNECTION_ID_HEADER, setStreamHeaders } from "./response-headers.ts";
import { assertOpen, type RouteOptions } from "./route-options.ts";

/**
 * Many streams on one connection. What concerns one of them only is told on the connection.
 * @throws StreamError before anything is sent: what concerns them all
 */
export async function serveMany(parts: RouteOptions, request: Request, response: Response): Promise<void> {
  const { metrics, settings } = parts.context;
  const listed = readStreamIds(request);
  const asked = readRequest(request, settings, readMultiPosition(request, listed));
  const { isCompact, coalesceMs, waitMs } = asked;
  assertOpen(parts);
  const address = request.ip ?? "";
  parts.admission.admit(address);
  if (asked.isResumed) metrics.reconnections.inc();

  const multi = new MultiConnection(parts.connectionRegistry.createId(), parts.hub, {
    listed,
    isCompact,
    address,
    onUnknown: () => parts.admission.charge(address),
  });
  const close = multi.close.bind(multi);
  const gone = clientGone(request, response);
  gone.addEventListener("abort", close);
  try {
    for (const streamId of asked.dropped) multi.leaveOut(streamId);
    for (const [streamId, start] of asked.starts) multi.follow(streamId, start);
    const hasNews = await multi.opened(waitMs);
    if (gone.aborted) return;
    assertOpen(parts);
    if (!hasNews && asked.isReconnect) {
      // It was told before; this is the one answer after which EventSource doesn't come again.
      response.setHeader("Cache-Control", "no-cache");
      response.status(204).end();
      return;
    }
    setStreamHeaders(response);
    response.setHeader(CONNECTION_ID_HEADER, multi.id);
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    gone.removeEventListener("abort", close);
    const carried = { id: multi.id, carries: multi };
    const options = { coalesceMs, trailer: multi.trailer, onClose: close };
    multi.attach(openConnection(parts, request, response, carried, options));
  } catch (error) {
    multi.close();
    if (gone.aborted) return;
    throw error;
  }
}

/** @throws StreamError INVALID_STREAM_ID, INVALID_REQUEST */
function readStreamIds(request: Request): string[] {
  const values: unknown = request.query["stream_id"];
  const ids = (Array.isArray(values) ? values : [values]).map(assertStreamId);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw new StreamError("INVALID_REQUEST", `stream ${twice} is named twice`);
  if (ids.length > MAX_STREAMS_PER_CONNECTION) {
    const message = `a connection carries at most ${MAX_STREAMS_PER_CONNECTION} streams`;
    throw new StreamError("INVALID_REQUEST", message);
  }
  return ids;
}

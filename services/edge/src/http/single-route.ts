import { StreamError } from "@sluice/core";
import { encodeResumeToken } from "@sluice/protocol";
import type { Request, Response } from "express";
import { readRequest } from "./read-request.ts";
import { readPosition } from "./start-position.ts";
import { clientGone } from "./client-gone.ts";
import { ConnectionSink } from "../connection/connection-sink.ts";
import { RetryWindow } from "../stream/retry-window.ts";
import { openConnection } from "./open-connection.ts";
import {
  CONNECTION_ID_HEADER,
  RESUME_TOKEN_HEADER,
  setStreamHeaders,
  STATUS_HEADER,
} from "./response-headers.ts";
import { assertOpen, type RouteOptions } from "./route-options.ts";
import type { Opening } from "../stream/subscriber.ts";
import type { PendingStreams } from "../stream/pending-streams.ts";

/** One stream on a connection of its own. @throws StreamError before anything is sent */
export async function serveOne(
  parts: RouteOptions,
  request: Request,
  response: Response,
  streamId: string,
): Promise<void> {
  const { metrics, settings } = parts.context;
  const asked = readRequest(request, settings, readPosition(request, streamId));
  const { coalesceMs, waitMs } = asked;
  const address = request.ip ?? "";
  assertOpen(parts);
  parts.admission.admit(address);
  if (asked.isResumed) metrics.reconnections.inc();

  const subscriber = parts.hub.join(streamId, { ...asked, address });
  const leave = subscriber.leave.bind(subscriber);
  const gone = clientGone(request, response);
  gone.addEventListener("abort", leave);
  try {
    const open = (): Promise<Opening | null> => subscriber.open(request.method !== "HEAD");
    const opening = await openWithin(parts.hub.pendingStreams, open, { streamId, address, waitMs, gone });
    if (gone.aborted) return;
    if (opening === null) throw new StreamError("STREAM_NOT_FOUND", `there is no stream ${streamId}`);
    if (opening === "deleted") throw new StreamError("STREAM_DELETED", `stream ${streamId} was deleted`);
    assertOpen(parts);

    response.setHeader(RESUME_TOKEN_HEADER, encodeResumeToken(streamId, subscriber.cursor ?? 0));
    if (opening === "at-end") {
      // The one answer after which EventSource doesn't come again.
      response.setHeader("Cache-Control", "no-cache");
      if (subscriber.endStatus !== null) response.setHeader(STATUS_HEADER, subscriber.endStatus);
      response.status(204).end();
      return;
    }
    const id = parts.connectionRegistry.createId();
    setStreamHeaders(response);
    response.setHeader(CONNECTION_ID_HEADER, id);
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    gone.removeEventListener("abort", leave);
    const carried = { id, carries: subscriber };
    const connection = openConnection(parts, request, response, carried, { coalesceMs, onClose: leave });
    subscriber.start(new ConnectionSink(connection));
  } catch (error) {
    subscriber.leave();
    if (gone.aborted) return;
    throw error;
  }
}

/** Readers of bare publishes may come before the stream: they are kept for a while, with no answer yet. */
function openWithin(
  pendingStreams: PendingStreams,
  open: () => Promise<Opening | null>,
  {
    streamId,
    address,
    waitMs,
    gone,
  }: { streamId: string; address: string; waitMs: number; gone: AbortSignal },
): Promise<Opening | null> {
  const retryWindow = new RetryWindow(waitMs);
  gone.addEventListener("abort", () => retryWindow.cancel(), { once: true });
  return pendingStreams.find(open, { streamId, address, retryWindow, isOver: () => gone.aborted });
}

import { StreamError } from "@sluice/core";
import { encodeResumeToken } from "@sluice/protocol";
import type { Request, Response } from "express";
import { queryNumber, readPosition, readsCompact } from "./start-position.ts";
import { ConnectionSink } from "../connection/connection-sink.ts";
import { RetryWindow } from "../stream/retry-window.ts";
import { openConnection, readCoalesceMs } from "./open-connection.ts";
import {
  CONNECTION_ID_HEADER,
  RESUME_TOKEN_HEADER,
  setStreamHeaders,
  STATUS_HEADER,
} from "./response-headers.ts";
import { assertOpen, type RouteParts } from "./route-parts.ts";
import type { Opening, Subscriber } from "../stream/subscriber.ts";
import type { PendingStreams } from "../stream/pending-streams.ts";

/** One stream on a connection of its own. @throws StreamError before anything is sent */
export async function serveOne(
  parts: RouteParts,
  request: Request,
  response: Response,
  streamId: string,
): Promise<void> {
  const { metrics, settings } = parts.context;
  const position = readPosition(request, streamId);
  const reading = { start: position.start, isCompact: readsCompact(request) };
  const coalesceMs = readCoalesceMs(request);
  const waitMs = Math.min(queryNumber(request, "wait", 0) * 1000, settings.maxWaitMs);
  assertOpen(parts);
  const address = request.ip ?? "";
  parts.admission.admit(address);
  if (position.isResumed) metrics.reconnections.inc();

  const subscriber = parts.hub.join(streamId, reading);
  const leave = subscriber.leave.bind(subscriber);
  response.once("close", leave);
  try {
    const opening = await openWithin(parts.hub.pendingStreams, subscriber, { address, waitMs, response });
    if (response.closed) return;
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
    response.off("close", leave);
    const carried = { id, carries: subscriber };
    const connection = openConnection(parts, request, response, carried, { coalesceMs, onClose: leave });
    subscriber.start(new ConnectionSink(connection));
  } catch (error) {
    subscriber.leave();
    throw error;
  }
}

/** Readers of bare publishes may come before the stream: they are kept for a while, with no answer yet. */
function openWithin(
  pendingStreams: PendingStreams,
  subscriber: Subscriber,
  { address, waitMs, response }: { address: string; waitMs: number; response: Response },
): Promise<Opening | null> {
  const retryWindow = new RetryWindow(waitMs);
  response.once("close", () => retryWindow.cancel());
  return pendingStreams.find(() => subscriber.open(), {
    streamId: subscriber.streamId,
    address,
    retryWindow,
    isOver: () => response.closed,
  });
}

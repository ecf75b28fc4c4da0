import { isStreamId, StreamError } from "@sluice/core";
import { encodeResumeToken, parseSequence, retryFrame } from "@sluice/protocol";
import { Router, type Request, type RequestHandler, type Response } from "express";
import { Connection } from "./connection.ts";
import type { EdgeContext } from "./context.ts";
import { queryValue, readPosition } from "./cursor.ts";
import type { Hub } from "./hub.ts";
import type { Pressure } from "./pressure.ts";
import { refuse } from "./refusal.ts";
import { RESUME_TOKEN_HEADER, setStreamHeaders } from "./response-headers.ts";
import { jitteredRetryMs } from "./retry-delay.ts";
import type { Opening, Subscriber } from "./subscriber.ts";
import { Patience } from "./patience.ts";
import type { WriteTick } from "./write-tick.ts";

export interface RouteParts {
  context: EdgeContext;
  hub: Hub;
  pressure: Pressure;
  tick: WriteTick;
  /** Open SSE responses; kept up to date here. */
  connections: Set<Connection>;
  /** From then on no stream is begun. */
  isClosing: () => boolean;
}

/** `GET /stream?stream_id=…`, as the seed's client calls it, and `GET /streams/:streamId/events`. */
export function streamRoutes(parts: RouteParts): Router {
  const router = Router();
  router.get(
    "/stream",
    serve(parts, (request) => queryValue(request, "stream_id") ?? ""),
  );
  router.get(
    "/streams/:streamId/events",
    serve(parts, (request) => String(request.params["streamId"])),
  );
  return router;
}

function serve(parts: RouteParts, readStreamId: (request: Request) => string): RequestHandler {
  const { metrics, settings } = parts.context;
  return async (request, response) => {
    try {
      await serveStream(parts, request, response, readStreamId(request));
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      metrics.refusals.inc({ code: error.code });
      if (!response.closed) refuse(request, response, error, jitteredRetryMs(settings.retryMs));
    }
  };
}

async function serveStream(
  parts: RouteParts,
  request: Request,
  response: Response,
  streamId: string,
): Promise<void> {
  const { metrics, settings } = parts.context;
  if (!isStreamId(streamId)) {
    throw new StreamError("INVALID_STREAM_ID", "a stream id is 1 to 128 of A-Z a-z 0-9 _ -");
  }
  const position = readPosition(request, streamId);
  const waitMs = Math.min(readWaitSeconds(request) * 1000, settings.maxWaitMs);
  if (parts.isClosing()) throw new StreamError("DRAINING", "this server is going away; try again");
  parts.pressure.admit(request.ip ?? "");
  if (position.isResumed) metrics.reconnections.inc();

  const subscriber = parts.hub.join(streamId, position.cursor);
  response.once("close", () => subscriber.leave());
  try {
    const opening = await openWithin(subscriber, waitMs, response);
    if (response.closed) return;
    if (opening === "unknown") throw new StreamError("STREAM_NOT_FOUND", `there is no stream ${streamId}`);
    if (opening === "deleted") throw new StreamError("STREAM_DELETED", `stream ${streamId} was deleted`);
    if (parts.isClosing()) throw new StreamError("DRAINING", "this server is going away; try again");

    response.setHeader(RESUME_TOKEN_HEADER, encodeResumeToken(streamId, position.cursor));
    if (opening === "at-end") {
      // The one answer after which EventSource doesn't come again.
      response.setHeader("Cache-Control", "no-cache");
      response.status(204).end();
      return;
    }
    setStreamHeaders(response);
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    subscriber.start(openConnection(parts, response));
  } catch (error) {
    subscriber.leave();
    throw error;
  }
}

/** Headers and the reconnect delay leave at once, whenever the first chunk comes. */
function openConnection(parts: RouteParts, response: Response): Connection {
  const { settings, metrics } = parts.context;
  response.socket?.setKeepAlive(true, settings.heartbeatIntervalMs);
  response.status(200);
  const connection = new Connection(response, parts.tick, settings, metrics);
  parts.connections.add(connection);
  response.once("close", () => parts.connections.delete(connection));
  connection.push(Buffer.from(retryFrame(jitteredRetryMs(settings.retryMs))), 0);
  return connection;
}

/** Readers of bare publishes may come before the stream: they are kept for a while, with no answer yet. */
async function openWithin(subscriber: Subscriber, waitMs: number, response: Response): Promise<Opening> {
  const patience = new Patience(waitMs);
  response.once("close", () => patience.cancel());
  let opening = await subscriber.open();
  while (opening === "unknown" && !response.closed && (await patience.pause()))
    opening = await subscriber.open();
  return opening;
}

/** @throws StreamError INVALID_REQUEST */
function readWaitSeconds(request: Request): number {
  const text = queryValue(request, "wait");
  if (text === undefined || text === "") return 0;
  const seconds = parseSequence(text);
  if (seconds === null) throw new StreamError("INVALID_REQUEST", "wait is a number of seconds");
  return seconds;
}

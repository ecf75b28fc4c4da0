import { assertStreamId, StreamError } from "@sluice/core";
import { Router, type RequestHandler } from "express";
import { jitteredRetryMs } from "../connection/retry-delay.ts";
import { serveMany } from "./multi-route.ts";
import { refuse } from "./refusal.ts";
import type { RouteOptions } from "./route-options.ts";
import { serveOne } from "./single-route.ts";

/**
 * `GET /stream?stream_id=…`, as the original client API has it, and `GET /streams/:streamId/events`. With `stream_id`
 * repeated, and on `GET /streams/events`, one connection carries many.
 */
export function eventRoutes(parts: RouteOptions): Router {
  const router = Router();
  router.get(
    "/stream",
    answering(parts, async (request, response) => {
      const ids = request.query["stream_id"];
      if (Array.isArray(ids)) await serveMany(parts, request, response);
      else await serveOne(parts, request, response, assertStreamId(ids));
    }),
  );
  router.get(
    "/streams/events",
    answering(parts, (request, response) => serveMany(parts, request, response)),
  );
  router.get(
    "/streams/:streamId/events",
    answering(parts, (request, response) =>
      serveOne(parts, request, response, assertStreamId(request.params["streamId"])),
    ),
  );
  return router;
}

/** Refuses a reader in the way that its client survives. */
function answering(
  parts: RouteOptions,
  serve: (...args: Parameters<RequestHandler>) => Promise<void>,
): RequestHandler {
  const { metrics, settings } = parts.context;
  return async (request, response, next) => {
    try {
      await serve(request, response, next);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      metrics.refusals.inc({ code: error.code });
      if (!response.closed) refuse(request, response, error, jitteredRetryMs(settings.retryMs));
    }
  };
}

import {
  StreamError,
  type CancelFeed,
  type ChunkCache,
  type LiveFeed,
  type PromptDesk,
  type StreamLog,
} from "@sluice/core";
import { StreamManager } from "@sluice/producer";
import { cancelRoute, noSuchRoute, problemHandler, type Logger } from "@sluice/runtime";
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Router } from "express";
import type { Registry } from "prom-client";
import { chunkRoute } from "./chunk-route.ts";
import { allowAnyOrigin } from "./cors.ts";
import { createGatewayMetrics, type GatewayMetrics } from "./metrics.ts";
import type { GatewaySettings } from "./settings.ts";
import { streamRoutes } from "./stream-routes.ts";
import { Uploads } from "./uploads.ts";

export interface GatewayParts {
  log: StreamLog;
  cache: Pick<ChunkCache, "readInfo">;
  liveFeed: Pick<LiveFeed, "requestRebuild">;
  cancelFeed: Pick<CancelFeed, "requestCancel">;
  promptDesk: Pick<PromptDesk, "ask">;
  settings: GatewaySettings;
  logger: Logger;
  registry: Registry;
  /** Where clients reach the edge. */
  edgeUrl: string;
  /** Routes for operators, where everybody who reaches this gateway may use them. */
  control?: Router;
}

export interface Gateway {
  /** Its server must not limit the time of a request: an upload may last as long as the answer that it carries. */
  readonly app: Express;
  /**
   * Stops uploads with DRAINING and what they have stored so far, refuses new ones, and resolves when all that was sent
   * is settled. Idempotent.
   */
  close(): Promise<void>;
}

/** HTTP for producers that can't speak NATS, and for whoever looks after streams. Stateless: any gateway serves any stream. */
export function createGateway(parts: GatewayParts): Gateway {
  const { log, settings, registry, logger } = parts;
  const uploads = new Uploads(settings.maxUploads);
  const metrics = createGatewayMetrics(registry, () => uploads.open);
  const manager = new StreamManager({
    log,
    settings: {
      publishTimeoutMs: settings.logTimeoutMs,
      backpressureTimeoutMs: settings.logTimeoutMs,
    },
  });

  const app = express();
  app.disable("x-powered-by");
  // Before what lets pages of other origins read: the console is of this one.
  if (parts.control !== undefined) app.use(parts.control);
  if (settings.allowAnyOrigin) app.use(allowAnyOrigin);
  app.get("/", index);
  app.post(
    "/streams/:streamId/chunks",
    ...chunkRoute({
      manager,
      uploads,
      metrics,
      maxBodyBytes: log.maxMessageBytes,
      uploadIdleTimeoutMs: settings.uploadIdleTimeoutMs,
    }),
  );
  app.post(
    "/streams/:streamId/cancel",
    cancelRoute({
      feed: parts.cancelFeed,
      partitions: log.partitions,
      timeoutMs: settings.rebuildTimeoutMs,
    }),
  );
  app.use(streamRoutes({ ...parts, manager, metrics, partitions: log.partitions }));
  app.use(noSuchRoute);
  app.use(countRefusals(metrics));
  app.use(problemHandler(logger));

  return {
    app,
    close: () => {
      uploads.close();
      return manager.close();
    },
  };
}

const index: RequestHandler = (_request, response) => {
  response.json({
    service: "sluice-gateway",
    routes: {
      "POST /streams": "create a stream: { stream_id?, options? }",
      "POST /streams/:id/chunks": "append a chunk, an array of chunks, or NDJSON",
      "GET /streams/:id": "how a stream stands",
      "POST /streams/:id/cancel": "have a stream stopped",
      "DELETE /streams/:id": "delete a stream for good",
      "POST /prompts": "have a worker answer: { prompt, stream_id? }",
    },
  });
};

function countRefusals(metrics: GatewayMetrics): ErrorRequestHandler {
  return (error: unknown, _request, _response, next) => {
    metrics.refusals.inc({ code: error instanceof StreamError ? error.code : "OTHER" });
    next(error);
  };
}

import type {
  CacheSpace,
  CancelFeed,
  ChunkCache,
  ClientQuotas,
  LiveFeed,
  PromptQueue,
  RequestRecords,
  StreamLog,
} from "@sluice/core";
import { StreamManager } from "@sluice/producer";
import { CONTROL_OPERATIONS, GATEWAY_OPERATIONS, openApiDocument, type Operation } from "@sluice/protocol";
import {
  BodyBudget,
  cancelRoute,
  createBrowserAccess,
  dontStore,
  httpServerOptions,
  listen,
  mountedRoutes,
  noSuchRoute,
  problemHandler,
  warnIfOpen,
  type HttpServer,
  type ListenOptions,
  type Logger,
  type MountedRoute,
} from "@sluice/runtime";
import express, { Router, type ErrorRequestHandler } from "express";
import type { Registry } from "prom-client";
import type { AppendLedger } from "./append/append-once.ts";
import { CacheRoom } from "./budget/cache-room.ts";
import { ClientBudget } from "./budget/client-budget.ts";
import { CreationBudget } from "./budget/creation-budget.ts";
import { appendRoutes } from "./append/append-routes.ts";
import { creationRoutes } from "./streams/creation-routes.ts";
import type { CreationOptions } from "./streams/creations.ts";
import { countRefusal, createGatewayMetrics, type GatewayMetrics } from "./metrics.ts";
import type { ModelServer } from "./proxy/model-server.ts";
import { ProxiedAnswers } from "./proxy/proxied-answers.ts";
import { proxyRoute } from "./proxy/proxy-route.ts";
import { RequestLedger } from "./idempotency/request-ledger.ts";
import type { GatewaySettings } from "./config.ts";
import type { StartLedger } from "./idempotency/start-once.ts";
import { streamRoutes } from "./streams/stream-routes.ts";
import { Uploads } from "./append/in-flight-appends.ts";
import type { BodyParts } from "./http/request-body.ts";
import { webPages } from "./http/static-pages.ts";

export interface GatewayOptions {
  log: StreamLog;
  cache: Pick<ChunkCache, "readInfo">;
  liveFeed: Pick<LiveFeed, "requestRebuild" | "publishBeat">;
  cancelFeed: Pick<CancelFeed, "onCancel" | "requestCancel">;
  /** Records of requests that carry a key. */
  records: RequestRecords;
  /** Accounts of what each client has used of its quota; absent: clients have none. */
  quotas?: ClientQuotas;
  /** Says how full the cache is; absent: it is never full. */
  cacheSpace?: CacheSpace;
  promptQueue: Pick<PromptQueue, "ask">;
  settings: GatewaySettings;
  logger: Logger;
  registry: Registry;
  /** Asked by `/proxy`; null: none is configured. */
  modelServer: ModelServer | null;
  /** Routes for operators, where everybody who reaches this gateway may use them. */
  control?: Router;
}

export interface Gateway {
  /** HTTP for producers and pages. The caller closes its server. */
  listen(options: Pick<ListenOptions, "host" | "port">): Promise<HttpServer>;
  /** All routes; the description is tested against them. */
  readonly routes: readonly MountedRoute[];
  /**
   * Stops uploads with DRAINING and what they have stored so far, refuses new ones, lets proxied answers end in their
   * time, and resolves when all that was sent is settled. Idempotent.
   */
  close(): Promise<void>;
}

/** HTTP for producers that can't speak NATS, and for whoever looks after streams. Stateless: any gateway serves any stream. */
export function createGateway(parts: GatewayOptions): Gateway {
  const { log, settings, registry, logger } = parts;
  const uploads = new Uploads(settings.maxUploads, settings.maxUploadsPerAddress);
  const bodies: BodyParts = {
    budget: new BodyBudget({
      maxBytes: settings.maxHeldBodyBytes,
      maxBytesPerAddress: settings.maxHeldBodyBytesPerAddress,
    }),
    pace: { timeoutMs: settings.bodyTimeoutMs, minBytesPerSecond: settings.minBodyBytesPerSecond },
  };
  const servers: HttpServer[] = [];
  const metrics = createGatewayMetrics(registry, {
    sockets: () => servers.map((server) => server.countSockets()),
    uploads: () => uploads.open,
    bodyBytes: () => bodies.budget.bytes,
    proxiedAnswers: () => answers.open,
  });
  const answers = new ProxiedAnswers(settings.maxProxiedAnswers, logger, () => metrics.unknownParts.inc());
  const manager = new StreamManager({
    log,
    liveFeed: parts.liveFeed,
    cancelFeed: parts.cancelFeed,
    settings: {
      publishTimeoutMs: settings.logTimeoutMs,
      backpressureTimeoutMs: settings.logTimeoutMs,
    },
  });

  const app = express();
  app.disable("x-powered-by");
  app.set("trust proxy", settings.trustedProxies);
  const access = createBrowserAccess({ origins: settings.corsOrigins, headers: settings.corsHeaders });
  app.use(access.guard);
  // Before what lets pages of other origins read: the console is of this one.
  const { control } = parts;
  const { edgeUrl } = settings;
  app.use(webPages(settings));
  app.use(dontStore);
  if (control !== undefined) app.use(control);
  app.use(access.readable);
  app.use(
    descriptionRoutes([...GATEWAY_OPERATIONS, ...(parts.control === undefined ? [] : CONTROL_OPERATIONS)]),
  );
  const clients = new ClientBudget({
    quotas: parts.quotas ?? null,
    maxRecords: settings.maxRecordsPerClient,
    maxBytes: settings.maxRecordBytesPerClient,
    windowMs: settings.clientQuotaWindowSeconds * 1000,
  });
  const room = parts.cacheSpace === undefined ? null : new CacheRoom(parts.cacheSpace);
  const budget = new CreationBudget({ room, clients });
  const creationLedger: CreationOptions["ledger"] = new RequestLedger(parts.records, clients);
  app.use(creationRoutes({ ...parts, manager, edgeUrl, bodies, budget, ledger: creationLedger, metrics }));
  const appendLedger: AppendLedger = new RequestLedger(parts.records, clients);
  const maxBodyBytes = log.maxMessageBytes;
  app.use(appendRoutes({ ...parts, manager, ledger: appendLedger, uploads, metrics, bodies, maxBodyBytes }));
  const startLedger: StartLedger = new RequestLedger(parts.records, clients);
  const starting = { ...parts, manager, edgeUrl, budget, ledger: startLedger, bodies };
  app.use(proxyRoute({ ...starting, answers, maxBodyBytes: settings.proxyMaxBodyBytes }));
  app.use(streamRoutes({ ...starting, partitions: log.partitions }));
  app.post(
    "/streams/:streamId/cancel",
    cancelRoute({
      feed: parts.cancelFeed,
      partitions: log.partitions,
      timeoutMs: settings.rebuildTimeoutMs,
    }),
  );
  app.use(noSuchRoute);
  app.use(countRefusals(metrics));
  app.use(problemHandler(logger));

  const close = async (): Promise<void> => {
    uploads.close();
    await answers.close(settings.drainTimeoutMs);
    await manager.close();
  };
  let closing: Promise<void> | undefined;
  return {
    listen: async (options) => {
      const server = await listen(app, {
        ...options,
        ...httpServerOptions(settings, settings.promptTimeoutMs),
      });
      servers.push(server);
      warnIfOpen(
        logger,
        options.host,
        "write, stop and delete every stream, and ask workers and the model server",
      );
      return server;
    },
    routes: mountedRoutes(app),
    close: () => (closing ??= close()),
  };
}

/** Descriptions of this service, for people and for programs. */
function descriptionRoutes(operations: readonly Operation[]): Router {
  const router = Router();
  const document = openApiDocument("gateway", operations);
  const routes = Object.fromEntries(
    operations.map(({ method, path, summary }) => [`${method} ${path}`, summary]),
  );
  router.get("/", (_request, response) => void response.json({ service: "sluice-gateway", routes }));
  router.get("/openapi.json", (_request, response) => void response.json(document));
  return router;
}

function countRefusals(metrics: GatewayMetrics): ErrorRequestHandler {
  return (error: unknown, _request, _response, next) => {
    countRefusal(metrics, error);
    next(error);
  };
}

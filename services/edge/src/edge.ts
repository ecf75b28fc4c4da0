import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { EDGE_OPERATIONS, openApiDocument } from "@sluice/protocol";
import type { CancelFeed, ChunkCache, EdgePeers, LiveFeed, ReaderPresence } from "@sluice/core";
import {
  cancelRoute,
  createBrowserAccess,
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
import express, { type Router } from "express";
import type { Registry } from "prom-client";
import { ConnectionAges } from "./connection/connection-ages.ts";
import { connectionAdminRoutes, connectionRoutes } from "./http/connection-routes.ts";
import { ConnectionRegistry } from "./connection/connection-registry.ts";
import type { EdgeContext } from "./stream/context.ts";
import { closeStaggered } from "./connection/drain.ts";
import { eventRoutes } from "./http/event-routes.ts";
import { HeadChecks } from "./stream/head-checks.ts";
import { KeepAlive } from "./connection/keep-alive.ts";
import { historyRoute } from "./http/history-route.ts";
import { Hub } from "./stream/hub.ts";
import { PageReads } from "./stream/page-reads.ts";
import { ReadWatch } from "./stream/read-watch.ts";
import { StreamLookup } from "./stream/stream-lookup.ts";
import { createEdgeMetrics, registerEdgeGauges } from "./metrics.ts";
import { edgePod, EdgePeerRouter } from "./http/edge-peer-router.ts";
import { Admission, type Load } from "./http/admission.ts";
import { DetachableSocket } from "./connection/detachable-socket.ts";
import type { RouteOptions } from "./http/route-options.ts";
import type { EdgeSettings } from "./config.ts";
import { TailWatch } from "./stream/tail-watch.ts";
import { WriteTick } from "./connection/write-tick.ts";

export interface EdgeOptions {
  cache: ChunkCache;
  liveFeed: LiveFeed;
  peers: EdgePeers;
  cancelFeed: Pick<CancelFeed, "requestCancel">;
  readerPresence: Pick<ReaderPresence, "answerPresence">;
  /** Number of partitions of the log; fixed when the log was created. */
  partitions: number;
  settings: Readonly<EdgeSettings>;
  logger: Logger;
  registry: Registry;
  /**
   * Reads over a connection of its own; rejects where that isn't answered. Without it the edge never takes itself for
   * one that must be restarted.
   */
  probeCache?: () => Promise<void>;
  /** Load for tests; else the process is measured. */
  measureLoad?: () => Load;
}

/** One edge pod. */
export interface Edge {
  /** Listens for readers. The caller must close the server. */
  listen(options: Pick<ListenOptions, "host" | "port" | "reusePort">): Promise<HttpServer>;
  /** Random id of this process. Prefix of its connection ids; its name in control-plane reports. */
  readonly podId: string;
  /** Routes for readers; the description is held against them. */
  readonly routes: readonly MountedRoute[];
  /** Routes for operators only. */
  readonly adminRoutes: Router;
  /** Problem for the readiness check: null, or what is missing in a few words. */
  problem(): string | null;
  /** Problem for the liveness check: null, or why only a restart helps. Never because something is away that all need. */
  fatalProblem(): string | null;
  /**
   * Not ready from now on; after `drainNoticeMs` no stream is begun any more, and connections are closed evenly over
   * `drainTimeoutMs`, each resumable. Idempotent.
   */
  drain(): Promise<void>;
  /** Ends at once: connections are cut, nothing stays behind. The adapters are the caller's. Idempotent. */
  close(): void;
  /** Counts of what is open now, for tests and operators. */
  counts(): { connections: number; subscribers: number; streams: number };
}

const neverAnswered = (): Promise<void> => Promise.reject(new Error("there is no other connection"));

export function createEdge(parts: EdgeOptions): Edge {
  const { cache, liveFeed, partitions, settings, logger } = parts;
  const connectionRegistry = new ConnectionRegistry();
  const { connections } = connectionRegistry;
  const servers: HttpServer[] = [];
  const metrics = createEdgeMetrics(parts.registry);
  const reads = new PageReads({
    cache,
    budget: {
      total: settings.readBudgetBytes,
      perAddress: settings.readBudgetBytesPerAddress,
      perStream: settings.readBudgetBytesPerStream,
    },
    maxWaiting: settings.maxConnections,
    timeoutMs: settings.readTimeoutMs,
    metrics,
  });
  const readWatch = new ReadWatch(reads, parts.probeCache ?? neverAnswered, settings, logger);
  const lookup = new StreamLookup({ reads, liveFeed, partitions, settings, metrics });
  const context: EdgeContext = { liveFeed, lookup, settings, metrics, logger };
  const hub = new Hub(context);
  registerEdgeGauges(parts.registry, {
    sockets: () => servers.map((server) => server.countSockets()),
    connections: () => connections.size,
    streams: () => hub.size,
    subscribers: () => hub.countListeners(),
    reads: () => reads.counts,
  });
  const headChecks = new HeadChecks(() => hub.feeds(), settings.headCheckIntervalMs, logger);
  const tailWatch = new TailWatch(liveFeed, hub, headChecks);
  const keepAlive = new KeepAlive(connectionRegistry, settings.keepAliveIntervalMs);
  const admission = new Admission(connectionRegistry, settings, metrics, parts.measureLoad);

  const ages = new ConnectionAges(connectionRegistry, settings, metrics);
  const peerRouter = new EdgePeerRouter(parts.peers, connectionRegistry, settings);
  const serving = parts.peers.serve(connectionRegistry.podId, edgePod(connectionRegistry));
  const answering = parts.readerPresence.answerPresence((streamId) => hub.countReaders(streamId));
  const closing = new AbortController();
  const routeParts: RouteOptions = {
    context,
    hub,
    admission,
    tick: new WriteTick(),
    connectionRegistry,
    closing: closing.signal,
  };

  let state: "open" | "draining" = "open";
  let draining: Promise<void> | undefined;

  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.set("trust proxy", settings.trustedProxies);
  const access = createBrowserAccess({ origins: settings.corsOrigins, headers: settings.corsHeaders });
  app.use(access.guard, access.readable);
  const description = openApiDocument("edge", EDGE_OPERATIONS);
  app.get("/openapi.json", (_request, response) => void response.json(description));
  app.use(eventRoutes(routeParts));
  app.use(historyRoute(routeParts));
  app.use(connectionRoutes(routeParts, peerRouter));
  app.post(
    "/streams/:streamId/cancel",
    (request, _response, next) => {
      admission.admit(request.ip ?? "");
      next();
    },
    cancelRoute({ feed: parts.cancelFeed, partitions, timeoutMs: settings.rebuildTimeoutMs }),
  );
  app.use(noSuchRoute);
  app.use(problemHandler(logger));

  const runDrain = async (): Promise<void> => {
    state = "draining";
    logger.info({ connections: connections.size }, "draining");
    await sleep(settings.drainNoticeMs);
    closing.abort();
    await closeStaggered(connections, settings);
    logger.info({ connections: connections.size }, "drained");
  };

  const cutConnections = (): void => {
    for (const connection of connections) connection.destroy();
  };

  return {
    listen: async (options) => {
      const wrapConnection = (connection: Socket): DetachableSocket => new DetachableSocket(connection);
      const server = await listen(app, {
        ...options,
        ...httpServerOptions(settings, settings.maxWaitMs),
        wrapConnection,
      });
      servers.push(server);
      warnIfOpen(logger, options.host, "read and stop every stream");
      const close = async (graceMs: number): Promise<void> => {
        // What was taken over from HTTP isn't closed with what HTTP has.
        const timer = setTimeout(cutConnections, graceMs);
        await server.close(graceMs);
        clearTimeout(timer);
      };
      return { ...server, close };
    },
    podId: connectionRegistry.podId,
    routes: mountedRoutes(app),
    adminRoutes: connectionAdminRoutes(connectionRegistry, peerRouter, logger),
    problem: () => {
      if (state !== "open") return "draining";
      if (!liveFeed.isConnected()) return "no connection to NATS";
      return admission.problem ?? readWatch.problem;
    },
    fatalProblem: () => readWatch.fatalProblem,
    drain: () => (draining ??= runDrain()),
    close: () => {
      state = "draining";
      closing.abort();
      serving.close();
      answering.close();
      ages.close();
      tailWatch.close();
      headChecks.close();
      readWatch.close();
      reads.close();
      keepAlive.close();
      admission.close();
      cutConnections();
      hub.close();
    },
    counts: () => ({
      connections: connections.size,
      subscribers: Object.values(hub.countListeners()).reduce((sum, count) => sum + count, 0),
      streams: hub.size,
    }),
  };
}

import express, { type Router } from "express";
import type { Registry } from "prom-client";
import { isLoopback } from "./allowed-hosts.ts";
import { dontStore } from "./dont-store.ts";
import { listen, type HttpServer, type ListenOptions } from "./http-server.ts";

/** A named condition of readiness: null when met, else a few words on what is missing. */
export type ReadinessCheck = () => string | null | Promise<string | null>;

/**
 * `/healthz` (the process runs; never says that a dependency is away, or one slow Redis would restart every pod at once),
 * `/readyz` (503 with the unmet checks) and `/metrics`. On its own port: none of it is for clients.
 */
export function startAdminServer(
  options: ListenOptions & {
    registry: Registry;
    readiness: Readonly<Record<string, ReadinessCheck>>;
    /** Null, or why only a restart of this process helps. Never because something is away that all replicas need. */
    liveness?: () => string | null;
    /** More routes that only operators may reach. */
    routes?: Router;
  },
): Promise<HttpServer> {
  const app = express();
  app.disable("x-powered-by");
  app.use(dontStore);
  app.get("/healthz", (_request, response) => {
    const problem = options.liveness?.() ?? null;
    response
      .status(problem === null ? 200 : 503)
      .json(problem === null ? { status: "ok" } : { status: "failed", problem });
  });
  app.get("/readyz", async (_request, response) => {
    const unmet: Record<string, string> = {};
    for (const [name, check] of Object.entries(options.readiness)) {
      const problem = await check();
      if (problem !== null) unmet[name] = problem;
    }
    const isReady = Object.keys(unmet).length === 0;
    response.status(isReady ? 200 : 503).json(isReady ? { status: "ready" } : { status: "not ready", unmet });
  });
  app.get("/metrics", async (_request, response) => {
    const body = await options.registry.metrics();
    response.type(options.registry.contentType).send(body);
  });
  if (options.routes !== undefined) app.use(options.routes);
  // Whoever scrapes or probes it from elsewhere may do so by any name; on this machine a page of a stranger might.
  return listen(app, { ...options, allowedHosts: isLoopback(options.host) ? "" : "*" });
}

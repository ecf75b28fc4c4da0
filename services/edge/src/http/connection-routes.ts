import { assertStreamId } from "@sluice/core";
import { connectionJson } from "@sluice/protocol";
import { problemHandler, type Logger } from "@sluice/runtime";
import { Router, type Request, type RequestHandler } from "express";
import { queryNumber, queryValue, readPosition } from "./start-position.ts";
import type { ConnectionRegistry } from "../connection/connection-registry.ts";
import type { EdgePeerRouter } from "./edge-peer-router.ts";
import type { RouteOptions } from "./route-options.ts";

/** `POST` and `DELETE /connections/:connectionId/streams/:streamId`: whichever pod has the connection. */
export function connectionRoutes(parts: RouteOptions, peerRouter: EdgePeerRouter): Router {
  const router = Router();
  const path = "/connections/:connectionId/streams/:streamId";
  router.post(path, addStream(parts, peerRouter));
  router.delete(path, dropStream(peerRouter));
  return router;
}

function addStream(parts: RouteOptions, peerRouter: EdgePeerRouter): RequestHandler {
  return async (request, response) => {
    parts.admission.admit(request.ip ?? "");
    const target = readTarget(request);
    const { start } = readPosition(request, target.streamId);
    await peerRouter.changeStreams({ kind: "add", ...target, start });
    response.status(204).end();
  };
}

function dropStream(peerRouter: EdgePeerRouter): RequestHandler {
  return async (request, response) => {
    await peerRouter.changeStreams({ kind: "drop", ...readTarget(request) });
    response.status(204).end();
  };
}

const DEFAULT_CONNECTIONS = 100;
const MAX_CONNECTIONS = 1_000;

/** Lists connections for operators: `GET /connections?after=&limit=`, of this pod, or with `scope=all` of all pods. */
export function connectionAdminRoutes(
  connectionRegistry: ConnectionRegistry,
  peerRouter: EdgePeerRouter,
  logger: Logger,
): Router {
  const router = Router();
  router.get("/connections", listConnections(connectionRegistry, peerRouter));
  router.use(problemHandler(logger));
  return router;
}

function listConnections(connectionRegistry: ConnectionRegistry, peerRouter: EdgePeerRouter): RequestHandler {
  return async (request, response) => {
    const limit = Math.min(Math.max(queryNumber(request, "limit", DEFAULT_CONNECTIONS), 1), MAX_CONNECTIONS);
    const query = { after: queryValue(request, "after") ?? "", limit };
    const isAll = queryValue(request, "scope") === "all";
    const { connections, hasMore } = isAll ? await peerRouter.listAll(query) : connectionRegistry.list(query);
    response.json({
      connections: connections.map((record) => connectionJson(record)),
      next_after: hasMore ? (connections.at(-1)?.connectionId ?? null) : null,
    });
  };
}

function readTarget(request: Request): { connectionId: string; streamId: string } {
  return {
    connectionId: String(request.params["connectionId"]),
    streamId: assertStreamId(request.params["streamId"]),
  };
}

import type { Request, Response } from "express";
import { retryFrame } from "@sluice/protocol";
import { Connection, type ConnectionOptions } from "./connection.ts";
import type { TrackedConnection } from "./connection-tracker.ts";
import { queryNumber } from "./cursor.ts";
import { jitteredRetryMs } from "./retry-delay.ts";
import type { RouteParts } from "./route-parts.ts";

// Longer than this isn't gathering any more, it is delay.
const MAX_COALESCE_MS = 1_000;

/** What the request says of its connection, whatever it carries. @throws StreamError INVALID_REQUEST */
export function readCoalesceMs(request: Request): number {
  return Math.min(queryNumber(request, "coalesce_ms", 0), MAX_COALESCE_MS);
}

/** Headers and the reconnect delay leave at once, whenever the first chunk comes. */
export function openConnection(
  parts: RouteParts,
  request: Request,
  response: Response,
  carried: Pick<TrackedConnection, "id" | "multi" | "subscribers">,
  options: ConnectionOptions,
): Connection {
  const { settings, metrics } = parts.context;
  response.socket?.setKeepAlive(true, settings.heartbeatIntervalMs);
  response.status(200);
  const connection = new Connection(response, parts.tick, settings, metrics, options);
  const tracked: TrackedConnection = {
    ...carried,
    connection,
    connectedMs: Date.now(),
    address: request.ip ?? "",
    userAgent: request.get("user-agent") ?? "",
  };
  parts.tracker.add(tracked);
  metrics.opened.inc();
  response.once("close", () => parts.tracker.delete(tracked));
  connection.push(Buffer.from(retryFrame(jitteredRetryMs(settings.retryMs))), 0);
  return connection;
}

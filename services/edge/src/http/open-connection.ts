import { StreamError } from "@sluice/core";
import { retryFrame } from "@sluice/protocol";
import type { Request, Response } from "express";
import type { Socket } from "node:net";
import { Connection, type ConnectionOptions } from "../connection/connection.ts";
import type { TrackedConnection } from "../connection/connection-registry.ts";
import { DetachableSocket } from "../connection/detachable-socket.ts";
import { jitteredRetryMs } from "../connection/retry-delay.ts";
import type { RouteOptions } from "./route-options.ts";

/**
 * Begins the response: headers and the reconnect delay leave at once, whenever the first chunk comes. For Express, request
 * and response are over (`close`), so that nothing of them is kept while the stream goes on.
 * @param options `onClose` when it really is
 * @throws StreamError INVALID_REQUEST where an earlier response is still on its way on the same connection
 */
export function openConnection(
  parts: RouteOptions,
  request: Request,
  response: Response,
  carried: Pick<TrackedConnection, "id" | "carries">,
  options: Pick<ConnectionOptions, "coalesceMs" | "trailer"> & { onClose: () => void },
): Connection {
  const { settings, metrics } = parts.context;
  const address = request.ip ?? "";
  const userAgent = request.get("user-agent") ?? "";
  const isChunked = request.httpVersion !== "1.0";
  const socket = takeSocket(response);
  socket.setKeepAlive(true, settings.keepAliveIntervalMs);
  const connection = new Connection(socket, parts.tick, settings, metrics, { ...options, isChunked });
  const tracked = { ...carried, connection, connectedMs: Date.now(), address, userAgent };
  parts.connectionRegistry.add(tracked);
  // Lives as long as the connection, and so does what functions made in here refer to: never request or response.
  connection.onClose = () => {
    parts.connectionRegistry.delete(tracked);
    options.onClose();
  };
  metrics.opened.inc();
  connection.push(Buffer.from(retryFrame(jitteredRetryMs(settings.retryMs))), 0);
  return connection;
}

function takeSocket(response: Response): Socket {
  const { socket } = response as { socket: unknown };
  if (socket instanceof DetachableSocket && socket.writableLength === 0) return socket.takeOver(response);
  throw new StreamError(
    "INVALID_REQUEST",
    "a stream can't follow a response that isn't over: open a connection for it",
  );
}

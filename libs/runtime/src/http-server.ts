import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { StreamError } from "@sluice/core";
import { PROBLEM_CONTENT_TYPE, problemOf } from "@sluice/protocol";
import type { Duplex } from "node:stream";

export interface ListenOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  /** Several processes may listen on the port; the kernel balances between them. */
  reusePort?: boolean;
  /** What HTTP is to read and write in the place of a connection. Closing it closes the connection. */
  wrapConnection?: (connection: Socket) => Duplex;
}

/** A server that is listening. */
export interface HttpServer {
  readonly server: Server;
  readonly port: number;
  /** Takes no more connections, closes idle ones, and after `graceMs` all others. Idempotent. */
  close(graceMs: number): Promise<void>;
}

/** @throws the listen error as it is (EADDRINUSE names the port) */
export async function listen(app: RequestListener, options: ListenOptions): Promise<HttpServer> {
  const server = createServer(app);
  server.on("clientError", answerUnreadable);
  if (options.wrapConnection !== undefined) wrapConnections(server, options.wrapConnection);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: options.host, port: options.port, reusePort: options.reusePort ?? false }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  let closing: Promise<void> | undefined;
  return {
    server,
    port: (server.address() as AddressInfo).port,
    close: (graceMs) => (closing ??= closeServer(server, graceMs)),
  };
}

/** What isn't HTTP reaches no application, but is answered as everything else is. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(
    problemOf(
      new StreamError("INVALID_REQUEST", `this is no HTTP request that can be read: ${error.message}`),
    ),
  );
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: ${PROBLEM_CONTENT_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function wrapConnections(server: Server, wrap: (connection: Socket) => Duplex): void {
  const listeners = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (connection) => {
    const wrapped = wrap(connection);
    for (const listener of listeners) listener.call(server, wrapped);
  });
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { RequestListener } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { StreamError } from "@sluice/core";
import { createHostCheck } from "./allowed-hosts.ts";
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from "./http-limits.ts";
import { OpenSockets, type HttpConnection, type SocketState } from "./open-sockets.ts";
import { problemBytes, sendProblem } from "./send-problem.ts";

export interface ListenOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  /** Several processes may listen on the port; the kernel balances between them. */
  reusePort?: boolean;
  /** Wraps a connection: HTTP reads and writes the result instead. Closing the result closes the connection. */
  wrapConnection?: (connection: Socket) => HttpConnection;
  /** Hosts that requests may name, as `createHostCheck` takes them; default: none but addresses and this machine's names. */
  allowedHosts?: string;
  /** Default: `DEFAULT_HTTP_LIMITS`. */
  limits?: Partial<HttpLimits>;
}

/** A server that is listening. */
export interface HttpServer {
  readonly server: Server;
  readonly port: number;
  /** Open sockets by what they are at. */
  countSockets(): Record<SocketState, number>;
  /** Takes no more connections, closes idle ones, and after `graceMs` all others. Idempotent. */
  close(graceMs: number): Promise<void>;
}

// After a deploy all readers come at once; those beyond it try again only after a second or more.
const BACKLOG = 4_096;

// Deadlines of headers are looked at in this interval, so they may come as much later.
const CHECK_INTERVAL_MS = 500;

/** @throws the listen error as it is (EADDRINUSE names the port) */
export async function listen(app: RequestListener, options: ListenOptions): Promise<HttpServer> {
  const limits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
  const server = createServer({
    connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, limits.headersTimeoutMs),
    headersTimeout: limits.headersTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    // Bodies have deadlines of their own: an upload may last as long as the answer that it carries.
    requestTimeout: 0,
    // Its absence is answered here, as everything else is.
    requireHostHeader: false,
  });
  server.timeout = limits.stallTimeoutMs;
  // A client that has said all may close its half and still wait for the answer.
  (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
  const sockets = new OpenSockets(limits);
  const refusalOf = createHostCheck(options.allowedHosts ?? "", options.host);
  const serve = (request: IncomingMessage, response: ServerResponse): void =>
    sockets.serve(request, response, () => {
      const refusal = refusalOf(request);
      if (refusal === null) app(request, response);
      else refuseForGood(response, refusal);
    });
  server.on("request", serve);
  // Whoever reads the body asks for it: a request that is refused isn't sent in vain.
  server.on("checkContinue", serve);
  server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) =>
    sockets.serve(request, response, () => {
      const detail = `Expect: ${request.headers.expect ?? ""} is not known here`;
      refuseForGood(response, new StreamError("EXPECTATION_FAILED", detail));
    }),
  );
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET") socket.destroy();
    else sockets.refuse(socket, problemBytes(unreadable(error)));
  });
  trackConnections(server, sockets, options.wrapConnection ?? ((connection) => connection));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    const { host, port, reusePort = false } = options;
    server.listen({ host, port, reusePort, backlog: BACKLOG }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  let closing: Promise<void> | undefined;
  return {
    server,
    port: (server.address() as AddressInfo).port,
    countSockets: () => sockets.counts(),
    close: (graceMs) => (closing ??= closeServer(server, sockets, graceMs)),
  };
}

/** Answers input that isn't HTTP, which reaches no application, like every other refusal. */
function unreadable(error: NodeJS.ErrnoException): StreamError {
  if (error.code === "HPE_HEADER_OVERFLOW")
    return new StreamError("HEADERS_TOO_LARGE", "request line and headers are too large");
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT")
    return new StreamError("REQUEST_TIMEOUT", "no whole request came in time");
  return new StreamError("INVALID_REQUEST", `this is no HTTP request that can be read: ${error.message}`);
}

/** Refuses a request and closes its connection: a client that sends such requests doesn't speak as we do. */
function refuseForGood(response: ServerResponse, refusal: StreamError): void {
  response.setHeader("Connection", "close");
  sendProblem(response, refusal);
}

function trackConnections(
  server: Server,
  sockets: OpenSockets,
  wrap: (connection: Socket) => HttpConnection,
): void {
  const listeners = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (connection) => {
    if (!sockets.admits(connection)) return;
    const wrapped = wrap(connection);
    sockets.add(connection, wrapped);
    for (const listener of listeners) listener.call(server, wrapped);
  });
}

async function closeServer(server: Server, sockets: OpenSockets, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  const timer = setTimeout(() => {
    server.closeAllConnections();
    sockets.destroyAll();
  }, graceMs);
  await closed;
  clearTimeout(timer);
}

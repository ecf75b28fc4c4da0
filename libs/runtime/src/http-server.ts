import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface ListenOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  /** Several processes may listen on the port; the kernel balances between them. */
  reusePort?: boolean;
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

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}

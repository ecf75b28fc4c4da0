import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** An edge process that can be killed. */
export interface KillableEdge {
  readonly name: string;
  /** Null between its end and its restart. */
  readonly pid: number | null;
  readonly adminUrl: string;
}

export interface KillSwitchOptions {
  /** Origins of the pages that may use it. */
  readonly gatewayUrl: string;
  readonly edges: () => readonly KillableEdge[];
}

export interface KillSwitch {
  readonly url: string;
  close(): Promise<void>;
}

const HOST = "127.0.0.1";
const LOOK_UP_TIMEOUT_MS = 5_000;
const MAX_BODY_BYTES = 1_024;

/**
 * `POST /kill-edge {"connection_id"}`: ends the edge that has this connection with SIGKILL, for the chat page's button.
 *
 * It listens on this machine alone. Another page that is open in the same browser can't use it: a request must come from
 * the gateway's origin, name this server as its host (no name that an attacker's DNS points here), and be JSON, so that
 * the browser asks first. And it takes a connection's id, which only its reader knows.
 */
export async function openKillSwitch(options: KillSwitchOptions): Promise<KillSwitch> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      send(response, 500, {
        code: "INTERNAL",
        detail: error instanceof Error ? error.message : String(error),
      });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, HOST, resolve);
  });
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  options: KillSwitchOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { port } = request.socket.address() as AddressInfo;
  const { origin = "", host } = request.headers;
  if (host !== `${HOST}:${port}` || !pageOrigins(options.gatewayUrl).includes(origin)) {
    send(response, 403, { code: "FORBIDDEN", detail: "only the pages of this launcher's gateway may ask" });
    return;
  }
  response.setHeader("Access-Control-Allow-Origin", origin);
  response.setHeader("Access-Control-Allow-Headers", "Content-Type");
  response.setHeader("Vary", "Origin");
  if (request.method === "OPTIONS") {
    response.writeHead(204).end();
    return;
  }
  const isJson = request.headers["content-type"]?.startsWith("application/json") ?? false;
  if (request.method !== "POST" || request.url !== "/kill-edge" || !isJson) {
    send(response, 404, { code: "NOT_FOUND", detail: "POST /kill-edge, with JSON, is all there is" });
    return;
  }
  const connectionId = await readConnectionId(request);
  const edge = await edgeOf(connectionId, options.edges());
  if (edge === null) {
    send(response, 404, { code: "CONNECTION_NOT_FOUND", detail: "no edge has this connection (any more)" });
    return;
  }
  process.kill(edge.pid, "SIGKILL");
  send(response, 200, { name: edge.name, pid: edge.pid });
}

/** A browser's user may have typed either name of this machine. */
function pageOrigins(gatewayUrl: string): string[] {
  const { port } = new URL(gatewayUrl);
  return [`http://127.0.0.1:${port}`, `http://localhost:${port}`];
}

async function readConnectionId(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const piece of request) {
    body += String(piece);
    if (body.length > MAX_BODY_BYTES) throw new Error("the body is too long");
  }
  const { connection_id: connectionId } = JSON.parse(body) as { connection_id?: unknown };
  if (typeof connectionId !== "string") throw new Error("connection_id is missing");
  return connectionId;
}

/** Each edge is asked for its connections: those of one have its pod in front. */
async function edgeOf(
  connectionId: string,
  edges: readonly KillableEdge[],
): Promise<{ name: string; pid: number } | null> {
  const pod = `${connectionId.split(".")[0]}.`;
  for (const { name, pid, adminUrl } of edges) {
    if (pid !== null && (await firstConnection(adminUrl))?.startsWith(pod) === true) return { name, pid };
  }
  return null;
}

async function firstConnection(adminUrl: string): Promise<string | undefined> {
  try {
    const signal = AbortSignal.timeout(LOOK_UP_TIMEOUT_MS);
    const response = await fetch(`${adminUrl}/connections?limit=1`, { signal });
    const { connections } = (await response.json()) as { connections: { connection_id: string }[] };
    return connections[0]?.connection_id;
  } catch {
    // It was just killed, or hangs: not the one that serves a page now.
    return undefined;
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { gzipSync } from "node:zlib";

/** How one request is treated. What isn't named goes as it should. */
export interface Treatment {
  /** Status in place of an answer. */
  status?: number;
  headers?: Record<string, string>;
  isRedirected?: boolean;
  isGzipped?: boolean;
  newline?: "\n" | "\r\n" | "\r";
  /** Stands before each frame. */
  comment?: string;
  /** Written in pieces of so many bytes, as far as that shows anything. */
  pieceBytes?: number;
  /** The connection is cut there. */
  cutAfterBytes?: number;
  /** Sequences that are sent twice, and that are left out. */
  doubled?: readonly number[];
  skipped?: readonly number[];
  /** Stays silent after the last frame, and doesn't end. */
  stays?: boolean;
}

/** The frame of each sequence from 1, as it is on the wire. A `gap` covers several: `from` is the first. */
export interface HostileFrame {
  from: number;
  to: number;
  text: string;
}

export interface HostileEdge extends AsyncDisposable {
  readonly url: string;
  /** One for each request, in order; then all goes well. */
  treatments: Treatment[];
  frames: readonly HostileFrame[];
  /** Whether a reader that has all of it is told 204. */
  hasEnded: boolean;
  /** `GET /streams/s/events?from=3 @ 12`: what was asked for, and the position that came with it. */
  readonly requests: string[];
  readonly headers: IncomingMessage["headers"][];
  /** Connections that are open now. */
  readonly open: Set<ServerResponse>;
  /** Sends to the open connections. */
  send(text: string): void;
}

// A large body in small pieces would only take long.
const MAX_PIECES = 300;

/** @param more further members of the chunk, such as `first_sequence` */
export function chunkFrame(
  sequence: number,
  type: { type: string; [field: string]: unknown },
  more: object = {},
): HostileFrame {
  const chunk = {
    stream_id: "s",
    sequence,
    chunk_type: type,
    data: null,
    metadata: {},
    timestamp: 1,
    ...more,
  };
  const event = type.type.toLowerCase();
  const text = `id: ${sequence}\nevent: ${event}\ndata: ${JSON.stringify(chunk)}\n\n`;
  return { from: sequence, to: sequence, text };
}

/** An edge as seen through everything that can stand between it and a reader. One stream, whatever its id. */
export async function startHostileEdge(frames: readonly HostileFrame[] = []): Promise<HostileEdge> {
  const open = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    response.on("close", () => open.delete(response));
    response.on("error", () => {});
    void answer(request, response);
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "", edge.url);
    if (searchParams.has("redirected")) searchParams.delete("redirected");
    else {
      const position = request.headers["last-event-id"];
      edge.requests.push(
        `${request.method} ${request.url}${position === undefined ? "" : ` @ ${String(position)}`}`,
      );
      edge.headers.push(request.headers);
    }
    const treatment = edge.treatments[0] ?? {};
    if (treatment.isRedirected === true) {
      edge.treatments[0] = { ...treatment, isRedirected: false };
      const mark = `${pathname}?${searchParams.toString()}&redirected=1`;
      response.writeHead(307, { Location: mark }).end();
      return;
    }
    edge.treatments.shift();
    if (treatment.status !== undefined) {
      response.writeHead(treatment.status, treatment.headers).end();
      return;
    }
    const from = Number(searchParams.get("from") ?? 1);
    const after = Number(request.headers["last-event-id"] ?? from - 1);
    const due = edge.frames.filter(({ to }) => to > after);
    if (due.length === 0 && edge.hasEnded) {
      response.writeHead(204).end();
      return;
    }
    open.add(response);
    await write(response, bodyOf(due, treatment), treatment);
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const edge: HostileEdge = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    treatments: [],
    frames,
    hasEnded: true,
    requests: [],
    headers: [],
    open,
    send: (text) => {
      for (const response of open) response.write(text);
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  return edge;
}

function bodyOf(due: readonly HostileFrame[], treatment: Treatment): Buffer {
  const { comment, doubled = [], skipped = [], newline = "\n" } = treatment;
  const before = comment === undefined ? "" : `: ${comment}\n\n`;
  const frames = due.map(({ from, text }) => {
    if (skipped.includes(from)) return "";
    return before + text + (doubled.includes(from) ? text : "");
  });
  const text = `retry: 1\n\n${frames.join("")}`.replaceAll("\n", newline);
  return treatment.isGzipped === true ? gzipSync(text) : Buffer.from(text);
}

async function write(response: ServerResponse, body: Buffer, treatment: Treatment): Promise<void> {
  const { cutAfterBytes, isGzipped, stays } = treatment;
  response.writeHead(200, {
    "Content-Type": "text/event-stream; charset=utf-8",
    ...(isGzipped === true && { "Content-Encoding": "gzip" }),
    ...treatment.headers,
  });
  const sent = body.subarray(0, cutAfterBytes);
  await writeInPieces(response, sent, treatment.pieceBytes);
  if (sent.byteLength < body.byteLength) cut(response);
  else if (stays !== true) response.end();
}

export async function writeInPieces(
  response: ServerResponse,
  bytes: Buffer,
  pieceBytes = Infinity,
): Promise<void> {
  const inPieces = pieceBytes * MAX_PIECES;
  for (let at = 0; at < Math.min(inPieces, bytes.byteLength) && !response.closed; at += pieceBytes) {
    response.write(bytes.subarray(at, at + pieceBytes));
    await nextTurn();
  }
  response.write(bytes.subarray(inPieces));
}

/** Once all is written, else nothing of it arrives. */
export function cut(response: ServerResponse): void {
  response.write("", () => response.destroy());
}

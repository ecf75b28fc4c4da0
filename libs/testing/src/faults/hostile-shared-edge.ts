import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { cut, writeInPieces, type HostileFrame, type Treatment } from "./hostile-edge.ts";

/** How one connection is treated. */
export interface SharedTreatment extends Pick<
  Treatment,
  "status" | "newline" | "comment" | "pieceBytes" | "cutAfterBytes" | "doubled" | "skipped"
> {
  /** 400, where it is for many streams. */
  refusesMany?: boolean;
}

/** Fate of a request to add or drop a stream: it is refused, or done and its answer lost. */
export type ChangeTreatment = "done" | "refused" | "unanswered";

export interface HostileSharedEdge extends AsyncDisposable {
  readonly url: string;
  /** Frames by stream. The last frame of each is its end. */
  streams: ReadonlyMap<string, readonly HostileFrame[]>;
  /** One for each connection, and one for each change, in order; then all goes well. */
  treatments: SharedTreatment[];
  changes: ChangeTreatment[];
  /** How many connections are open, and how many changes were asked for. */
  readonly open: number;
  readonly changed: number;
  /** Lets streams end, after `holdEnds`. */
  letEnd(): void;
  holdEnds(): void;
}

/** One event stream, of a single stream or of several. */
interface Reading {
  readonly id: string;
  readonly isShared: boolean;
  readonly response: ServerResponse;
  readonly treatment: SharedTreatment;
  /** Last sequence sent of each stream that it follows. */
  readonly positions: Map<string, number>;
  /** Text before the next frames. */
  news: string;
  sentBytes: number;
  wake: () => void;
}

/** An edge whose readers follow many streams on one connection, seen through a bad network. */
export async function startHostileSharedEdge(): Promise<HostileSharedEdge> {
  const readings = new Map<string, Reading>();
  let endsAreHeld = false;
  let lastId = 0;
  let changed = 0;

  const server = createServer((request, response) => {
    response.on("error", () => {});
    const url = new URL(request.url ?? "", edge.url);
    const [, area, readingId = "", , streamId = ""] = url.pathname.split("/");
    if (area === "connections") change(request, response, readingId, streamId, url.searchParams);
    else void read(request, response, url);
  });

  function change(
    { method }: IncomingMessage,
    response: ServerResponse,
    readingId: string,
    streamId: string,
    query: URLSearchParams,
  ): void {
    changed++;
    const treatment = edge.changes.shift() ?? "done";
    if (treatment === "refused") {
      response.writeHead(503).end();
      return;
    }
    const reading = readings.get(readingId);
    const isFollowed = reading?.positions.has(streamId);
    let status = 204;
    if (reading === undefined) status = 404;
    else if (method === "DELETE") {
      if (isFollowed === false) status = 404;
      else reading.news += notice(streamId, "dropped", reading.positions.get(streamId) ?? 0);
      reading.positions.delete(streamId);
    } else if (isFollowed === true) status = 409;
    else {
      const position = Number(query.get("from")) - 1;
      reading.positions.set(streamId, position);
      reading.news += notice(streamId, "following", position);
    }
    if (treatment === "unanswered") response.destroy();
    else response.writeHead(status).end();
    reading?.wake();
  }

  async function read(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const treatment = edge.treatments.shift() ?? {};
    const isShared = url.pathname === "/streams/events";
    const status = treatment.refusesMany === true && isShared ? 400 : treatment.status;
    if (status !== undefined) {
      response.writeHead(status).end();
      return;
    }
    const ids = isShared ? url.searchParams.getAll("stream_id") : [url.pathname.split("/")[2] ?? ""];
    const cursors = request.headers["last-event-id"];
    const after = String(cursors ?? "").split(".");
    const start = Number(url.searchParams.get("from") ?? 1) - 1;
    const positionOf = (index: number): number =>
      cursors === undefined ? start : Number.parseInt(after[index] ?? "", isShared ? 36 : 10);
    const positions = new Map(ids.map((id, index) => [id, positionOf(index)]));
    if (cursors !== undefined && ids.every((id) => positions.get(id) === headOf(id))) {
      response.writeHead(204).end();
      return;
    }
    const id = `connection-${++lastId}`;
    const reading: Reading = {
      id,
      isShared,
      response,
      treatment,
      positions,
      news: "retry: 1\n\n",
      sentBytes: 0,
      wake: () => {},
    };
    readings.set(id, reading);
    response.on("close", () => {
      readings.delete(id);
      reading.wake();
    });
    response.writeHead(200, {
      "Content-Type": "text/event-stream",
      ...(isShared && { "Sluice-Connection-Id": id }),
    });
    await send(reading);
  }

  const headOf = (streamId: string): number => edge.streams.get(streamId)?.at(-1)?.to ?? 0;

  async function send(reading: Reading): Promise<void> {
    const { positions, response } = reading;
    while (readings.has(reading.id)) {
      const { news } = reading;
      const round = roundOf(reading);
      reading.news = "";
      if (news !== "" || round !== null) {
        // Something must follow a line that ends with CR, else it isn't over.
        const text = `${news}${round ?? ""}${reading.isShared ? idOf(positions) : ""}:\n`;
        await write(reading, text);
      } else if (positions.size === 0) {
        readings.delete(reading.id);
        response.end();
      } else {
        await new Promise<void>((resolve) => (reading.wake = resolve));
      }
    }
  }

  /** The next frame of each stream, as far as it isn't left out; null: none has one. */
  function roundOf({ positions, isShared, treatment }: Reading): string | null {
    const { comment, doubled = [], skipped = [] } = treatment;
    let text: string | null = null;
    for (const [id, position] of positions) {
      const frame = edge.streams.get(id)?.find(({ to }) => to > position);
      const isEnd = frame === undefined || frame.to === headOf(id);
      if (isEnd && endsAreHeld) continue;
      text ??= "";
      // While the end is held nothing would show that the one before it is missing.
      const isMissing = frame !== undefined && skipped.includes(frame.from) && frame.to !== headOf(id) - 1;
      if (frame !== undefined && !isMissing) {
        if (comment !== undefined) text += `: ${comment}\n\n`;
        text += (isShared ? withoutId(id, frame) : frame.text).repeat(doubled.includes(frame.from) ? 2 : 1);
      }
      if (!isEnd) positions.set(id, frame.to);
      else {
        positions.delete(id);
        if (isShared) text += notice(id, "ended", headOf(id));
      }
    }
    return text;
  }

  async function write(reading: Reading, text: string): Promise<void> {
    const { newline = "\n", pieceBytes, cutAfterBytes = Infinity } = reading.treatment;
    const bytes = Buffer.from(text.replaceAll("\n", newline));
    await writeInPieces(
      reading.response,
      bytes.subarray(0, Math.max(0, cutAfterBytes - reading.sentBytes)),
      pieceBytes,
    );
    reading.sentBytes += bytes.byteLength;
    if (reading.sentBytes <= cutAfterBytes) return;
    readings.delete(reading.id);
    cut(reading.response);
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const edge: HostileSharedEdge = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    streams: new Map(),
    treatments: [],
    changes: [],
    get open() {
      return readings.size;
    },
    get changed() {
      return changed;
    },
    holdEnds: () => (endsAreHeld = true),
    letEnd() {
      endsAreHeld = false;
      for (const { wake } of readings.values()) wake();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  return edge;
}

const event = (name: string, data: object): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

const notice = (streamId: string, state: string, sequence: number): string =>
  event("stream", { stream_id: streamId, state, sequence });

/** Adds to the data of a shared connection whose it is, and where. */
function withoutId(streamId: string, { to, text }: HostileFrame): string {
  const rest = text.replace(/^id: .*\n/, "");
  return rest === "\n" ? event("rejected", { stream_id: streamId, sequence: to }) : rest;
}

const idOf = (positions: ReadonlyMap<string, number>): string =>
  positions.size === 0
    ? ""
    : `id: ${[...positions.values()].map((position) => position.toString(36)).join(".")}\n\n`;

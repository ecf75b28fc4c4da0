import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { endStatusOf, type ChunkType } from "@sluice/core";

interface FakeStream {
  chunks: ChunkType[];
  readers: Set<() => void>;
}

/** Fate of one append: taken as it should be, or one of the ways in which an answer gets lost. */
export type AppendFault =
  | "lost before"
  | "lost after"
  | "unavailable"
  | "unavailable after"
  | "ended elsewhere";

/** Gateway and edge on one port, for the command's tests: the contract of their HTTP, and faults on demand. */
export class FakeSluice {
  readonly streams = new Map<string, FakeStream>();
  /** Taken one by one by the appends that come. */
  readonly appendFaults: AppendFault[] = [];
  /** Taken one by one by the reads that come: that many bytes, then the connection is reset. */
  readonly cuts: number[] = [];
  /** Sent before the events of each read. */
  preamble = "";
  /** Status of a stream that has ended: readers with a position are told that nothing is left, and this, unless it is "". */
  endStatus: string | null = null;
  /** Number of requests with chunks. */
  readonly batchSizes: number[] = [];
  /** Each read's position: the header, or else `from`, or else "". */
  readonly positions: string[] = [];
  readonly prompts: string[] = [];
  /** Answers of the routes for operators, by path and query. */
  readonly control = new Map<string, object>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeSluice> {
    const server = createServer((request, response) => void fake.#handle(request, response));
    const fake = new FakeSluice(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  add(streamId: string, chunks: ChunkType[]): void {
    this.streams.set(streamId, { chunks, readers: new Set() });
  }

  append(streamId: string, ...chunks: ChunkType[]): void {
    const stream = this.streams.get(streamId);
    stream?.chunks.push(...chunks);
    for (const wake of stream?.readers ?? []) wake();
  }

  textOf(streamId: string): string[] {
    return (this.streams.get(streamId)?.chunks ?? []).flatMap((chunk) =>
      chunk.type === "Text" ? [chunk.content] : [],
    );
  }

  lastOf(streamId: string): ChunkType | undefined {
    return this.streams.get(streamId)?.chunks.at(-1);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://fake");
    const [, root, streamId = "", leaf] = url.pathname.split("/");
    if (request.method === "POST") {
      const body = await json(request);
      if (root === "prompts") this.#takePrompt(body as { prompt: string; stream_id?: string }, response);
      else if (leaf === "chunks") this.#takeChunks(streamId, body as ChunkType[], request, response);
      else this.#create(body as { stream_id?: string }, response);
      return;
    }
    const listing = this.control.get(request.url ?? "");
    const stream = this.streams.get(streamId);
    if (listing !== undefined) answer(response, 200, listing);
    else if (stream === undefined)
      problem(response, 404, "STREAM_NOT_FOUND", `there is no stream ${streamId}`);
    else if (leaf === "events") this.#read(streamId, stream, request, url, response);
    else answer(response, 200, { stream_id: streamId, status: "open", head_sequence: stream.chunks.length });
  }

  #create(body: { stream_id?: string }, response: ServerResponse): void {
    const streamId = body.stream_id ?? "generated";
    if (this.streams.has(streamId)) {
      problem(response, 409, "STREAM_EXISTS", `stream ${streamId} exists: choose another id`);
      return;
    }
    this.add(streamId, []);
    answer(response, 201, {
      stream_id: streamId,
      urls: { events: `${this.url}/streams/${streamId}/events` },
    });
  }

  #takePrompt(body: { prompt: string; stream_id?: string }, response: ServerResponse): void {
    this.prompts.push(body.prompt);
    if (body.prompt === "nobody?") {
      problem(response, 503, "NO_WORKER", "no worker serves prompts now");
      return;
    }
    const streamId = body.stream_id ?? "answer";
    this.add(streamId, [
      { type: "Text", content: "It " },
      { type: "Text", content: "works.\n" },
      { type: "Complete", summary: "Tokens used: 2" },
    ]);
    answer(response, 201, { stream_id: streamId });
  }

  #takeChunks(
    streamId: string,
    chunks: ChunkType[],
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const stream = this.streams.get(streamId);
    const fault = this.appendFaults.shift();
    if (stream === undefined) return problem(response, 404, "STREAM_NOT_FOUND", "no such stream");
    if (fault === "lost before") return void request.socket.destroy();
    if (fault === "unavailable") return problem(response, 503, "LOG_UNAVAILABLE", "the log doesn't answer");
    if (fault === "ended elsewhere")
      this.append(streamId, { type: "Error", error: "stop", code: "CANCELLED" });

    const head = stream.chunks.length;
    const last = stream.chunks.at(-1);
    const facts = { head_sequence: head };
    if (last !== undefined && endStatusOf(last) !== null) {
      return problem(response, 409, "STREAM_ENDED", `stream ${streamId} has ended`, facts);
    }
    if (Number(request.headers["sluice-sequence"]) !== head + 1) {
      return problem(response, 409, "FENCED", `the next chunk is ${head + 1}`, facts);
    }
    this.batchSizes.push(chunks.length);
    this.append(streamId, ...chunks);
    if (fault === "lost after") return void request.socket.destroy();
    if (fault === "unavailable after")
      return problem(response, 503, "LOG_UNAVAILABLE", "the log doesn't answer");
    answer(response, 201, {
      accepted: chunks.length,
      first_sequence: head + 1,
      last_sequence: head + chunks.length,
      broker_sequence: 1,
    });
  }

  #read(
    streamId: string,
    stream: FakeStream,
    request: IncomingMessage,
    url: URL,
    response: ServerResponse,
  ): void {
    const header = request.headers["last-event-id"];
    const from = url.searchParams.get("from");
    this.positions.push(typeof header === "string" ? header : (from ?? ""));
    let cursor = typeof header === "string" ? Number(header) : Number(from ?? 1) - 1;
    if (header !== undefined && this.endStatus !== null) {
      response.writeHead(204, this.endStatus === "" ? {} : { "Sluice-Status": this.endStatus }).end();
      return;
    }
    const writer = new CutWriter(response, this.cuts.shift() ?? Infinity);
    response.writeHead(200, { "content-type": "text/event-stream" });
    writer.write(`: connected\n\n${this.preamble}`);
    const send = () => {
      for (; cursor < stream.chunks.length; cursor++) {
        const chunk = stream.chunks[cursor];
        if (chunk === undefined) return;
        writer.write(frameOf(streamId, cursor + 1, chunk));
        if (endStatusOf(chunk) !== null) writer.end();
      }
    };
    stream.readers.add(send);
    response.once("close", () => stream.readers.delete(send));
    send();
  }
}

/** Lets so many bytes through, then resets the connection. */
class CutWriter {
  readonly #response: ServerResponse;
  #left: number;

  constructor(response: ServerResponse, left: number) {
    this.#response = response;
    this.#left = left;
  }

  write(text: string): void {
    if (this.#left < 0) return;
    const bytes = Buffer.from(text);
    const whole = bytes.length <= this.#left;
    this.#response.write(bytes.subarray(0, Math.min(this.#left, bytes.length)), () => {
      if (!whole) this.#response.socket?.resetAndDestroy();
    });
    this.#left = whole ? this.#left - bytes.length : -1;
  }

  end(): void {
    if (this.#left >= 0) this.#response.end();
  }
}

export function frameOf(streamId: string, sequence: number, chunkType: ChunkType): string {
  const chunk = { stream_id: streamId, sequence, chunk_type: chunkType, data: null, timestamp: 1 };
  return `id: ${sequence}\nevent: ${chunkType.type.toLowerCase()}\ndata: ${JSON.stringify(chunk)}\n\n`;
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function problem(
  response: ServerResponse,
  status: number,
  code: string,
  detail: string,
  more: object = {},
): void {
  response
    .writeHead(status, { "content-type": "application/problem+json" })
    .end(JSON.stringify({ status, code, detail, ...more }));
}

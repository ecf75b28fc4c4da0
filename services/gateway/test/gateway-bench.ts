import { connect, type Socket } from "node:net";
import type {
  CacheSpace,
  CancelFeed,
  ClientQuotas,
  PromptQueue,
  RequestRecords,
  StoredMessage,
  StreamInfo,
  StreamLog,
} from "@sluice/core";
import { createLogger, createRegistry, defaultSettings, type HttpServer } from "@sluice/runtime";
import type { Router } from "express";
import { gatewayConfigSchema, type GatewaySettings } from "../src/config.ts";
import { createGateway, type Gateway } from "../src/gateway.ts";
import type { ModelServer } from "../src/proxy/model-server.ts";

export const NDJSON = "application/x-ndjson";

export interface Answer {
  status: number;
  body: Record<string, unknown>;
  headers: Headers;
}

/** Ports of a bench; the fakes come from the tests. */
export interface BenchPorts {
  log: StreamLog;
  promptQueue: PromptQueue;
  cancelFeed: Pick<CancelFeed, "onCancel" | "requestCancel">;
  records: RequestRecords;
  quotas?: ClientQuotas;
  cacheSpace?: CacheSpace;
  settings?: Partial<GatewaySettings>;
  control?: Router;
  modelServer?: ModelServer;
  /** Holds what was answered against the description. */
  answers: { check(answer: SeenAnswer): void };
}

interface SeenAnswer {
  method: string;
  path: string;
  status: number;
  contentType: string | null;
  body: string;
}

/** A gateway that listens, and what stands in for the cache and for ingest. */
export class Bench implements AsyncDisposable {
  /** Records that the cache holds. */
  readonly infos = new Map<string, StreamInfo>();
  /** Records that ingest would bring back when asked to. */
  readonly rebuildable = new Map<string, StreamInfo>();
  isIngestThere = true;
  readonly gateway: Gateway;
  readonly registry = createRegistry("gateway");
  readonly #ports: BenchPorts;
  #http: HttpServer | null = null;

  /** Use `startBench`. */
  constructor(ports: BenchPorts, settings: Partial<GatewaySettings> = {}) {
    this.#ports = ports;
    this.gateway = createGateway({
      ...ports,
      cache: { readInfo: async (streamId) => this.infos.get(streamId) ?? null },
      liveFeed: {
        publishBeat: () => {},
        requestRebuild: async (_partition, streamId) => {
          if (!this.isIngestThere) return null;
          const info = this.rebuildable.get(streamId);
          if (info === undefined) return { kind: "unknown" };
          this.infos.set(streamId, info);
          const { sequence, status } = info.head;
          return { kind: "restored", firstAvailable: 1, head: sequence, status };
        },
      },
      settings: {
        ...defaultSettings(gatewayConfigSchema),
        allowedHosts: "x",
        edgeUrl: "http://edge.test/",
        logTimeoutMs: 300,
        promptTimeoutMs: 300,
        rebuildTimeoutMs: 300,
        uploadIdleTimeoutMs: 60_000,
        maxUploads: 3,
        maxProxiedAnswers: 2,
        drainTimeoutMs: 50,
        ...ports.settings,
        ...settings,
      },
      modelServer: ports.modelServer ?? null,
      logger: createLogger("gateway", "silent"),
      registry: this.registry,
    });
  }

  get port(): number {
    return this.#http?.port ?? 0;
  }

  async listen(): Promise<this> {
    this.#http = await this.gateway.listen({ host: "127.0.0.1", port: 0 });
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.close();
    await this.#http?.close(0);
  }

  /** @param body JSON, or a string that is sent as it is */
  async call(
    method: string,
    path: string,
    body?: unknown,
    type = "application/json",
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const answer = await this.callRaw(method, path, body, { "content-type": type, ...headers });
    return {
      ...answer,
      body: answer.text === "" ? {} : (JSON.parse(answer.text) as Record<string, unknown>),
    };
  }

  async callRaw(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; text: string; headers: Headers }> {
    const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      ...(text === undefined ? {} : { body: text }),
      // fetch names a type for every body of text; a request without one has none.
      headers: text === undefined ? withoutType(headers) : headers,
    });
    const answer = await response.text();
    this.#ports.answers.check({
      method,
      path,
      status: response.status,
      contentType: response.headers.get("content-type"),
      body: answer,
    });
    return { status: response.status, text: answer, headers: response.headers };
  }

  /** Writes bytes on a connection of its own and reads until it is closed. */
  async sendBytes(bytes: string): Promise<string> {
    const socket = connect(this.port, "127.0.0.1");
    socket.write(bytes);
    let received = "";
    for await (const data of socket) received += String(data);
    return received;
  }

  create(streamId: string): Promise<Answer> {
    return this.call("POST", "/streams", { stream_id: streamId });
  }

  openUpload(streamId: string): Upload {
    return new Upload(this.port, streamId);
  }

  /** An upload that is answered while it runs. */
  openTalk(streamId: string, query = ""): Talk {
    return new Talk(this.port, `/streams/${streamId}/chunks${query}`);
  }

  async openUploads(): Promise<number | undefined> {
    const metric = await this.registry.getSingleMetric("sluice_gateway_open_uploads")?.get();
    return metric?.values[0]?.value;
  }
}

/** An upload whose pieces are written one by one. */
export class Upload {
  readonly socket: Socket;
  /** Resolves as soon as the whole answer is there, whether or not the upload has ended. */
  readonly answer: Promise<{ status: number; body: Record<string, unknown> }>;

  constructor(port: number, streamId: string) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.socket.write(
      `POST /streams/${streamId}/chunks HTTP/1.1\r\nHost: x\r\nContent-Type: ${NDJSON}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    this.answer = new Promise((resolve) => {
      let received = "";
      const take = (data: Buffer): void => {
        received += data.toString();
        const answer = parseAnswer(received);
        if (answer === null) return;
        this.socket.off("data", take);
        // Whatever comes later is read, so that the end of the connection is seen.
        this.socket.resume();
        resolve(answer);
      };
      this.socket.on("data", take);
    });
  }

  write(piece: string): void {
    this.socket.write(`${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`);
  }

  end(): void {
    this.socket.write("0\r\n\r\n");
  }
}

function withoutType({ "content-type": _type, ...headers }: Record<string, string>): Record<string, string> {
  return headers;
}

/** An upload whose lines and whose answer's lines cross each other. */
export class Talk {
  readonly socket: Socket;
  /** Headers of the answer. */
  readonly head: Promise<string>;
  readonly #lines: AsyncGenerator<string, undefined>;

  constructor(port: number, path: string) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${NDJSON}\r\nAccept: ${NDJSON}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const head = Promise.withResolvers<string>();
    this.head = head.promise;
    this.#lines = answerLines(this.socket, head.resolve);
    // Read from the start: the head is to be seen by itself, too.
    this.#next = this.#readLine();
  }

  #next: Promise<IteratorResult<string, undefined>>;

  write(piece: string): void {
    this.socket.write(`${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`);
  }

  end(): void {
    this.socket.write("0\r\n\r\n");
  }

  /** The next line of the answer; null after the last one. */
  async nextLine(): Promise<Record<string, unknown> | null> {
    const { value, done } = await this.#next;
    if (done === true) return null;
    this.#next = this.#readLine();
    return JSON.parse(value) as Record<string, unknown>;
  }

  #readLine(): Promise<IteratorResult<string, undefined>> {
    const next = this.#lines.next();
    // A test that cuts the connection asks for no more lines.
    next.catch(() => {});
    return next;
  }
}

/** The lines of a chunked answer, of which a piece holds whole lines. */
async function* answerLines(
  socket: Socket,
  onHead: (head: string) => void,
): AsyncGenerator<string, undefined> {
  let received = "";
  let hasHead = false;
  let content = "";
  for await (const data of socket) {
    received += String(data);
    if (!hasHead) {
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) continue;
      onHead(received.slice(0, end));
      received = received.slice(end + 4);
      hasHead = true;
    }
    for (let match = PIECE.exec(received); match !== null; match = PIECE.exec(received)) {
      const bytes = Number.parseInt(match[1] ?? "", 16);
      if (bytes === 0) return undefined;
      const from = match[0].length;
      if (received.length < from + bytes + 2) break;
      content += received.slice(from, from + bytes);
      received = received.slice(from + bytes + 2);
      const lines = content.split("\n");
      content = lines.pop() ?? "";
      yield* lines;
    }
  }
  return undefined;
}

const PIECE = /^([0-9a-f]+)\r\n/;

/** Null while a part is missing. */
function parseAnswer(received: string): { status: number; body: Record<string, unknown> } | null {
  const [head = "", body = ""] = received.split("\r\n\r\n");
  const length = /content-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined || Buffer.byteLength(body) < Number(length)) return null;
  return { status: Number(head.split(" ")[1]), body: JSON.parse(body) as Record<string, unknown> };
}

export function text(content: string): { type: "Text"; content: string } {
  return { type: "Text", content };
}

export function ndjson(...values: unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join("");
}

/** The contents of a stream's Text chunks, by message. */
export function storedTexts(messages: readonly StoredMessage[], streamId: string): string[][] {
  const contentsOf = (payload: Uint8Array): string[] => {
    const matches = Buffer.from(payload)
      .toString()
      .matchAll(/"content":"([^"]*)"/g);
    return [...matches].map((match) => match[1] ?? "");
  };
  return messages
    .filter((message) => message.streamId === streamId)
    .map(({ payload }) => contentsOf(payload))
    .filter((contents) => contents.length > 0);
}

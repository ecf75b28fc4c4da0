import { connect, type Socket } from "node:net";
import type { CancelAnswer, PromptDesk, StoredMessage, StreamInfo, StreamLog } from "@sluice/core";
import { createLogger, createRegistry, listen, type HttpServer } from "@sluice/runtime";
import type { Router } from "express";
import { createGateway, type Gateway } from "./gateway.ts";

export const NDJSON = "application/x-ndjson";

export interface Answer {
  status: number;
  body: Record<string, unknown>;
  headers: Headers;
}

/** A gateway that listens, and what stands in for the cache and for ingest. */
export class Bench implements AsyncDisposable {
  /** What the cache holds. */
  readonly infos = new Map<string, StreamInfo>();
  /** What ingest would bring back when asked to. */
  readonly rebuildable = new Map<string, StreamInfo>();
  isIngestThere = true;
  /** What ingest answers to a wish to stop a stream. */
  readonly cancelAnswers = new Map<string, CancelAnswer>();
  readonly gateway: Gateway;
  readonly #registry = createRegistry("gateway");
  #http: HttpServer | null = null;

  /** Use `startBench`. */
  constructor(ports: { log: StreamLog; promptDesk: PromptDesk; control?: Router }) {
    this.gateway = createGateway({
      ...ports,
      cache: { readInfo: async (streamId) => this.infos.get(streamId) ?? null },
      liveFeed: {
        requestRebuild: async (_partition, streamId) => {
          if (!this.isIngestThere) return null;
          const info = this.rebuildable.get(streamId);
          if (info === undefined) return { kind: "unknown" };
          this.infos.set(streamId, info);
          const { sequence, status } = info.head;
          return { kind: "restored", firstAvailable: 1, head: sequence, status };
        },
      },
      cancelFeed: {
        requestCancel: async (_partition, streamId) => this.cancelAnswers.get(streamId) ?? null,
      },
      settings: {
        logTimeoutMs: 300,
        promptTimeoutMs: 300,
        rebuildTimeoutMs: 300,
        uploadIdleTimeoutMs: 60_000,
        maxUploads: 3,
        allowAnyOrigin: true,
      },
      logger: createLogger("gateway", "silent"),
      registry: this.#registry,
      edgeUrl: "http://edge.test/",
    });
  }

  get port(): number {
    return this.#http?.port ?? 0;
  }

  async listen(): Promise<this> {
    this.#http = await listen(this.gateway.app, { host: "127.0.0.1", port: 0 });
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
    const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      ...(text === undefined ? {} : { body: text, headers: { "content-type": type, ...headers } }),
    });
    const answer = await response.text();
    return {
      status: response.status,
      body: answer === "" ? {} : (JSON.parse(answer) as Record<string, unknown>),
      headers: response.headers,
    };
  }

  create(streamId: string): Promise<Answer> {
    return this.call("POST", "/streams", { stream_id: streamId });
  }

  openUpload(streamId: string): Upload {
    return new Upload(this.port, streamId);
  }

  async openUploads(): Promise<number | undefined> {
    const metric = await this.#registry.getSingleMetric("sluice_gateway_open_uploads")?.get();
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

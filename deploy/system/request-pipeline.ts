import { connect, type Socket } from "node:net";
import type { MalformedRequest } from "./malformed.ts";

export interface PipelinedAnswer {
  status: number;
  contentType: string;
  body: string;
}

// Half of what a server takes unanswered on one socket; more are refused with 429.
const WINDOW = 32;

/**
 * Sends requests on one connection without waiting for each answer, and gives those in order: far faster than one by
 * one. Another connection takes over where the server closes one, for what wasn't answered.
 */
export class RequestPipeline {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /** @throws Error where there is no answer for so long */
  async send(requests: readonly MalformedRequest[], timeoutMs: number): Promise<PipelinedAnswer[]> {
    const answers: PipelinedAnswer[] = [];
    while (answers.length < requests.length) {
      const before = answers.length;
      const rest = requests.slice(before);
      await this.#converse(rest, timeoutMs, (answer) => answers.push(answer));
      if (answers.length === before) {
        const { method, path, headers } = rest[0] as MalformedRequest;
        throw new Error(`no answer to ${method} ${path.slice(0, 100)} ${JSON.stringify(headers)}`);
      }
    }
    return answers;
  }

  /** Resolves when all is answered or the connection has ended. */
  #converse(
    requests: readonly MalformedRequest[],
    timeoutMs: number,
    take: (answer: PipelinedAnswer) => void,
  ): Promise<void> {
    const socket = connect(this.#port, "127.0.0.1");
    return new Promise((resolve, reject) => {
      let taken = 0;
      let sent = 0;
      const sendOn = (): void => {
        const end = Math.min(taken + WINDOW, requests.length);
        if (sent >= end) return;
        write(socket, requests.slice(sent, end));
        sent = end;
      };
      const reader = new AnswerReader((answer) => {
        // Where a request doesn't say clearly where it ends, its rest is answered as another one.
        if (taken === requests.length) return;
        take(answer);
        if (++taken === requests.length) socket.destroy();
        else sendOn();
      });
      socket.setTimeout(timeoutMs, () => {
        reject(new Error(`${requests.length - taken} requests weren't answered within ${timeoutMs} ms`));
        socket.destroy();
      });
      socket.on("data", (bytes: Buffer) => reader.push(bytes));
      socket.on("error", () => {});
      socket.on("close", () => {
        reader.end();
        resolve();
      });
      sendOn();
    });
  }
}

function write(socket: Socket, requests: readonly MalformedRequest[]): void {
  for (const { method, path, headers, body, more = [] } of requests) {
    const own = { host: "127.0.0.1", "content-length": String(body.byteLength), ...headers };
    const lines = [...Object.entries(own), ...more];
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    socket.write(Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${head}\r\n`, "latin1"), body]));
  }
}

/** Takes answers out of what a connection receives: with a content length, in pieces, or up to the connection's end. */
class AnswerReader {
  readonly #take: (answer: PipelinedAnswer) => void;
  #received = Buffer.alloc(0);

  constructor(take: (answer: PipelinedAnswer) => void) {
    this.#take = take;
  }

  push(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#takeOne(false));
  }

  /** The connection has ended. */
  end(): void {
    this.#takeOne(true);
  }

  #takeOne(isOver: boolean): boolean {
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (headEnd < 0) return false;
    const head = this.#received.toString("latin1", 0, headEnd);
    const status = Number(head.split(" ", 2)[1]);
    const end = this.#endOf(head, status, headEnd + 4) ?? (isOver ? this.#received.byteLength : Infinity);
    if (this.#received.byteLength < end) return false;
    const body = this.#received.toString("utf8", headEnd + 4, end);
    this.#received = this.#received.subarray(end);
    this.#take({ status, contentType: /^content-type: (.*)/im.exec(head)?.[1] ?? "", body });
    return true;
  }

  /** Null: with the connection. */
  #endOf(head: string, status: number, bodyStart: number): number | null {
    const length = /^content-length: (\d+)/im.exec(head)?.[1];
    if (length !== undefined) return bodyStart + Number(length);
    if (status === 204 || status === 304 || status < 200) return bodyStart;
    if (!/^transfer-encoding: chunked/im.test(head)) return null;
    const last = this.#received.indexOf("\r\n0\r\n\r\n", bodyStart - 2);
    return last < 0 ? null : last + 7;
  }
}

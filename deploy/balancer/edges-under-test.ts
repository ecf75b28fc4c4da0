import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";

/** Stands in for an edge container: SSE on one port, readiness on another, at an address of its own. */
export class EdgeUnderTest implements AsyncDisposable {
  readonly address: string;
  readonly readers = new Set<ServerResponse>();
  /** Value of X-Forwarded-For with which the balancer passed the last reader on. */
  forwardedFor: string | undefined;
  isReady = true;
  readonly #servers: readonly Server[];

  private constructor(address: string, servers: (edge: EdgeUnderTest) => readonly Server[]) {
    this.address = address;
    this.#servers = servers(this);
  }

  static async start(address: string, port: number, adminPort: number): Promise<EdgeUnderTest> {
    const edge = new EdgeUnderTest(address, (self) => [
      createServer((request, response) => {
        self.forwardedFor = String(request.headers["x-forwarded-for"]);
        response.writeHead(200, { "Content-Type": "text/event-stream" });
        response.write(`data: ${address}\n\n`);
        self.readers.add(response);
        response.once("close", () => self.readers.delete(response));
      }),
      createServer((request, response) => {
        response.writeHead(self.isReady && request.url === "/readyz" ? 200 : 503).end();
      }),
    ]);
    for (const [index, server] of edge.#servers.entries()) {
      server.listen(index === 0 ? port : adminPort, address);
      await once(server, "listening");
    }
    return edge;
  }

  send(data: string): void {
    for (const reader of this.readers) reader.write(`data: ${data}\n\n`);
  }

  /** Kills the edge as when a container is killed: open streams break off. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    }
  }
}

const TYPE_A = 1;
const HEADER_BYTES = 12;

/** A name server that knows one name, as Docker's does for a service: all its containers' addresses. */
export class NameServer implements AsyncDisposable {
  addresses: string[] = [];
  readonly #socket = createSocket("udp4");

  static async start(): Promise<NameServer> {
    const server = new NameServer();
    server.#socket.on("message", (query, from) => {
      server.#socket.send(answerTo(query, server.addresses), from.port, from.address);
    });
    server.#socket.bind(0, "127.0.0.1");
    await once(server.#socket, "listening");
    return server;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, "close");
    this.#socket.close();
    await closed;
  }
}

function answerTo(query: Buffer, addresses: readonly string[]): Buffer {
  const question = query.subarray(HEADER_BYTES, query.indexOf(0, HEADER_BYTES) + 5);
  const found = question.readUInt16BE(question.length - 4) === TYPE_A ? addresses : [];
  const header = Buffer.alloc(HEADER_BYTES);
  query.copy(header, 0, 0, 2);
  // An answer, recursion desired and available.
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(found.length, 6);
  const records = found.map((address) => {
    // The name by reference to the question, type A, class IN, a second to live, four bytes.
    const fixed = [0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 1, 0, 4];
    return Buffer.from([...fixed, ...address.split(".").map(Number)]);
  });
  return Buffer.concat([header, question, ...records]);
}

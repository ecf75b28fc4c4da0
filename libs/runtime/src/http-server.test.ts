import { connect, type Socket } from "node:net";
import type { RequestListener } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { listen, type HttpServer } from "./http-server.ts";
import type { HttpLimits } from "./http-limits.ts";

const servers: HttpServer[] = [];
const clients: Client[] = [];

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => server.close(0)));
});

const SOON = { timeout: 10_000, interval: 5 };

async function serve(app: RequestListener, limits: Partial<HttpLimits> = {}): Promise<HttpServer> {
  const server = await listen(app, { host: "127.0.0.1", port: 0, allowedHosts: "a", limits });
  servers.push(server);
  return server;
}

/** A client that never closes its half unless it is told to. */
interface Client {
  socket: Socket;
  text: string;
  isEnded: boolean;
  isClosed: boolean;
}

function open({ port }: HttpServer, bytes = "", localAddress = "127.0.0.1"): Client {
  const socket = connect({ host: "127.0.0.1", port, localAddress, allowHalfOpen: true });
  const client: Client = { socket, text: "", isEnded: false, isClosed: false };
  socket.on("data", (data) => (client.text += data.toString("latin1")));
  socket.on("end", () => (client.isEnded = true));
  socket.on("close", () => (client.isClosed = true));
  socket.on("error", () => {});
  if (bytes !== "") socket.write(bytes);
  clients.push(client);
  return client;
}

const openSockets = (server: HttpServer): number =>
  Object.values(server.countSockets()).reduce((sum, count) => sum + count, 0);

const hello: RequestListener = (_request, response) => void response.end("hello");
const GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

describe("a client that never closes", () => {
  test.each([
    ["garbage", "\x16\x03\x01 garbage\r\n\r\n", /^HTTP\/1\.1 400 /, "INVALID_REQUEST"],
    ["garbage that goes on", "garbage ".repeat(20_000), /^HTTP\/1\.1 400 /, "INVALID_REQUEST"],
    ["headers that never end", "GET / HTTP/1.1\r\nHost: a\r\nX: ", /^HTTP\/1\.1 408 /, "REQUEST_TIMEOUT"],
    ["nothing at all", "", /^HTTP\/1\.1 408 /, "REQUEST_TIMEOUT"],
    [
      "headers above the limit",
      `GET / HTTP/1.1\r\nX: ${"x".repeat(17_000)}\r\n\r\n`,
      /^HTTP\/1\.1 431 /,
      "HEADERS_TOO_LARGE",
    ],
    [
      "an expectation that nobody has",
      "GET / HTTP/1.1\r\nHost: a\r\nExpect: foo\r\nConnection: close\r\n\r\n",
      /^HTTP\/1\.1 417 /,
      "EXPECTATION_FAILED",
    ],
    [
      "a chunk without a length",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      /^HTTP\/1\.1 400 /,
      "INVALID_REQUEST",
    ],
  ])(
    "is told what is wrong with %s, and its socket is gone soon after",
    async (_what, bytes, status, code) => {
      const server = await serve((request, response) => request.on("end", () => response.end()).resume(), {
        headersTimeoutMs: 50,
      });
      const client = open(server, bytes);
      await expect.poll(() => client.isEnded, SOON).toBe(true);
      expect(client.text).toMatch(status);
      expect(client.text).toContain("Content-Type: application/problem+json");
      expect(client.text).toContain(`"code":"${code}"`);
      await expect.poll(() => openSockets(server), SOON).toBe(0);
    },
  );

  test("is not held after an answer that came before its body", async () => {
    const server = await serve((_request, response) => void response.writeHead(413).end());
    const client = open(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx");
    await expect.poll(() => client.text, SOON).toContain("HTTP/1.1 413");
    await expect.poll(() => openSockets(server), SOON).toBe(0);
  });

  test("is not held when it takes nothing of its answer", async () => {
    const server = await serve((_request, response) => void response.end(Buffer.alloc(64 * 1024 * 1024)), {
      stallTimeoutMs: 200,
    });
    const client = open(server);
    client.socket.pause();
    client.socket.write(GET);
    await expect.poll(() => server.countSockets().streaming, SOON).toBe(1);
    await expect.poll(() => openSockets(server), SOON).toBe(0);
  });

  test("is not held between two requests for longer than is said", async () => {
    const server = await serve(hello, { idleTimeoutMs: 100 });
    const client = open(server, GET);
    await expect.poll(() => client.text, SOON).toContain("hello");
    expect(client.text).toMatch(/Keep-Alive: timeout=/i);
    await expect.poll(() => openSockets(server), SOON).toBe(0);
  });
});

test("an answer that was refused in the middle of a body reaches a client that goes on sending", async () => {
  const server = await serve((_request, response) => void response.writeHead(413).end("too large"));
  for (let round = 0; round < 5; round++) {
    const client = open(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    const sending = setInterval(() => client.socket.write(Buffer.alloc(100_000)), 1);
    await expect.poll(() => client.isClosed || client.isEnded, SOON).toBe(true);
    clearInterval(sending);
    expect(client.text).toContain("too large");
  }
});

describe("requests that a client sends ahead", () => {
  test("are served one after another, in order", async () => {
    let running = 0;
    let most = 0;
    const server = await serve((request, response) => {
      most = Math.max(most, ++running);
      setTimeout(() => {
        running--;
        response.end(`[${request.url}]`);
      }, 5);
    });
    const requests = Array.from({ length: 20 }, (_, n) => `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const client = open(server, requests.join(""));
    await expect.poll(() => client.text, SOON).toContain("[/19]");
    expect([...client.text.matchAll(/\[\/(\d+)\]/g)].map(([, n]) => Number(n))).toEqual(
      requests.map((_, n) => n),
    );
    expect(most).toBe(1);
  });

  test("have bodies, too", async () => {
    const server = await serve((request, response) => {
      let bytes = 0;
      request.on("data", (piece: Buffer) => (bytes += piece.length));
      request.on("end", () => response.end(`[${bytes}]`));
    });
    const post = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n${"x".repeat(200_000)}`;
    const client = open(server, post.repeat(5));
    await expect.poll(() => client.text.match(/\[200000\]/g)?.length, SOON).toBe(5);
  });

  test("are 64 at most: one more is refused, in its turn, and is the last", async () => {
    const release: (() => void)[] = [];
    const server = await serve((_request, response) => release.push(() => response.end("ok")));
    const client = open(server, GET.repeat(1_000));
    for (let answered = 1; answered <= 64; answered++) {
      await expect.poll(() => release.length, SOON).toBe(answered);
      release.at(-1)?.();
    }
    await expect.poll(() => client.isEnded, SOON).toBe(true);
    expect(client.text.match(/HTTP\/1\.1 200/g)).toHaveLength(64);
    expect(client.text).toContain("TOO_MANY_REQUESTS");
    await expect.poll(() => openSockets(server), SOON).toBe(0);
  });

  test("are answered before garbage that follows them is", async () => {
    const release: (() => void)[] = [];
    const server = await serve((_request, response) => release.push(() => response.end("first")));
    const client = open(server, `${GET}\x16\x03 garbage\r\n\r\n`);
    await expect.poll(() => release.length, SOON).toBe(1);
    release[0]?.();
    await expect.poll(() => client.isEnded, SOON).toBe(true);
    expect(client.text).toMatch(/HTTP\/1\.1 200 [^]*first[^]*HTTP\/1\.1 400/);
  });

  test("and are never served where the client has gone meanwhile", async () => {
    let served = 0;
    const server = await serve(() => void served++);
    const client = open(server, GET.repeat(10));
    await expect.poll(() => served, SOON).toBe(1);
    client.socket.destroy();
    await expect.poll(() => openSockets(server), SOON).toBe(0);
    expect(served).toBe(1);
  });

  test("without an end cost one socket, which is cut", async () => {
    const server = await serve(() => {});
    const client = open(server);
    const flood = setInterval(() => client.socket.write(GET.repeat(1_000)), 1);
    await expect.poll(() => client.isClosed, SOON).toBe(true);
    clearInterval(flood);
    await expect.poll(() => openSockets(server), SOON).toBe(0);
  });
});

describe("a client that closes its half", () => {
  test("gets its answer, however long it takes", async () => {
    const server = await serve((_request, response) => void setTimeout(() => response.end("late"), 300));
    const client = open(server);
    client.socket.end(GET);
    await expect.poll(() => client.isEnded, SOON).toBe(true);
    expect(client.text).toMatch(/^HTTP\/1\.1 200 [^]*late$/);
    await expect.poll(() => openSockets(server), SOON).toBe(0);
  });

  test("gets all answers, and after an interim one where it waits for long", async () => {
    const server = await serve((_request, response) => void setTimeout(() => response.end("late"), 1_500));
    const client = open(server);
    client.socket.end(GET.repeat(2));
    await expect.poll(() => client.isEnded, SOON).toBe(true);
    expect(client.text.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
    expect(client.text).toMatch(/^HTTP\/1\.1 102 /);
  });

  test("and is gone is noticed while nothing can be answered", async () => {
    const server = await serve(() => {});
    const client = open(server, GET);
    await expect.poll(() => server.countSockets().active, SOON).toBe(1);
    client.socket.destroy();
    await expect.poll(() => openSockets(server), SOON).toBe(0);
  });
});

describe("sockets", () => {
  test("are bounded in all: one more is told so, and is served when one has gone", async () => {
    const server = await serve(hello, { maxSockets: 3 });
    const held = [open(server), open(server), open(server)];
    await expect.poll(() => server.countSockets().idle, SOON).toBe(3);
    const refused = open(server, GET);
    await expect.poll(() => refused.isEnded, SOON).toBe(true);
    expect(refused.text).toMatch(/^HTTP\/1\.1 503 /);
    expect(refused.text).toMatch(/Retry-After: 1/);
    expect(refused.text).toContain("OVERLOADED");
    await expect.poll(() => openSockets(server), SOON).toBe(3);
    held[0]?.socket.destroy();
    await expect.poll(() => openSockets(server), SOON).toBe(2);
    const served = open(server, GET);
    await expect.poll(() => served.text, SOON).toContain("hello");
  });

  test("are bounded for each address, and others don't notice", async () => {
    const server = await serve(hello, { maxSocketsPerAddress: 2 });
    open(server, GET);
    open(server, GET);
    await expect.poll(() => server.countSockets().idle, SOON).toBe(2);
    const refused = open(server, GET);
    await expect.poll(() => refused.isEnded, SOON).toBe(true);
    expect(refused.text).toMatch(/^HTTP\/1\.1 429 [^]*TOO_MANY_REQUESTS/);
    const other = open(server, GET, "127.0.0.2");
    await expect.poll(() => other.text, SOON).toContain("hello");
  });

  test("that are too many by far are closed without a word, and hold nothing", async () => {
    const server = await serve(hello, { maxSockets: 1 });
    open(server);
    await expect.poll(() => server.countSockets().idle, SOON).toBe(1);
    const flood = Array.from({ length: 600 }, () => open(server));
    await expect.poll(() => flood.every(({ isEnded, isClosed }) => isEnded || isClosed), SOON).toBe(true);
    await expect.poll(() => openSockets(server), SOON).toBe(1);
  });

  test("are counted by what they are at", async () => {
    const server = await serve((request, response) => {
      if (request.url === "/stream") response.write("begun");
    });
    open(server);
    open(server, GET);
    open(server, GET.replace("/", "/stream"));
    await expect
      .poll(() => server.countSockets(), SOON)
      .toEqual({ idle: 1, active: 1, streaming: 1, closing: 0 });
  });
});

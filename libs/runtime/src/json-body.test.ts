import { connect, type Socket } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import express from "express";
import { afterEach, describe, expect, test } from "vitest";
import { BodyBudget } from "./body-budget.ts";
import { listen, type HttpServer } from "./http-server.ts";
import { jsonBody, type JsonBodyParts } from "./json-body.ts";
import { createLogger } from "./logger.ts";
import { problemHandler } from "./problem-response.ts";

const SOON = { timeout: 10_000, interval: 5 };
const KIB = 1024;
const PACE = { timeoutMs: 10_000, minBytesPerSecond: 0 };
const servers: HttpServer[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => server.close(0)));
});

async function serve(parts: Partial<JsonBodyParts> = {}, respond: () => Promise<void> = async () => {}) {
  const budget = parts.budget ?? new BodyBudget({ maxBytes: 1_024 * KIB, maxBytesPerAddress: 1_024 * KIB });
  const app = express();
  app.post("/", jsonBody({ budget, pace: PACE, maxBytes: 64 * KIB, ...parts }), (request, response, next) => {
    const body: unknown = request.body;
    respond().then(() => response.json({ got: body === undefined ? "nothing" : body }), next);
  });
  app.use(problemHandler(createLogger("test", "silent")));
  const server = await listen(app, { host: "127.0.0.1", port: 0, limits: { headersTimeoutMs: 500 } });
  servers.push(server);
  const post = async (body: string | Buffer, headers: Record<string, string> = {}) => {
    const init = { method: "POST", body, headers: { "content-type": "application/json", ...headers } };
    const response = await fetch(`http://127.0.0.1:${server.port}/`, init);
    return { status: response.status, body: (await response.json()) as { got?: unknown; code?: string } };
  };
  return { server, budget, post };
}

function send({ port }: HttpServer, text: string | Buffer, localAddress = "127.0.0.1") {
  const socket = connect({ host: "127.0.0.1", port, localAddress });
  const sent = { socket, text: "" };
  socket.on("data", (data) => (sent.text += String(data)));
  socket.on("error", () => {});
  socket.write(text);
  sockets.push(socket);
  return sent;
}

const head = (length: number): string =>
  `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

describe("a body", () => {
  test.each([
    ["as it is", (text: string) => Buffer.from(text), {}],
    ["with a mark of its order of bytes", (text: string) => Buffer.from(`\ufeff${text}`), {}],
    ["by gzip", (text: string) => gzipSync(text), { "content-encoding": "GZip" }],
    ["by deflate", (text: string) => deflateSync(text), { "content-encoding": "deflate" }],
    ["by brotli", (text: string) => brotliCompressSync(text), { "content-encoding": "br" }],
    [
      "by nothing, in a charset that is said",
      (text: string) => Buffer.from(text),
      { "content-type": 'application/json;charset="UTF8"' },
    ],
    [
      "by nothing, said in so many words",
      (text: string) => Buffer.from(text),
      { "content-encoding": "identity" },
    ],
  ])("is read %s", async (_what, pack, headers: Record<string, string>) => {
    const { post, budget } = await serve();
    const value = { text: "Grüße 🌊\u2028", list: [1, null] };
    expect(await post(pack(JSON.stringify(value)), headers)).toEqual({ status: 200, body: { got: value } });
    await expect.poll(() => budget.bytes, SOON).toBe(0);
  });

  test("may be missing", async () => {
    const { post } = await serve();
    expect(await post("")).toEqual({ status: 200, body: { got: "nothing" } });
  });

  test.each([
    ["that is no JSON", Buffer.from("{"), {}, 400, "INVALID_REQUEST"],
    ["that is not in UTF-8", Buffer.from([0x22, 0xff, 0x22]), {}, 400, "INVALID_REQUEST"],
    ["with half a surrogate pair", Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), {}, 400, "INVALID_REQUEST"],
    ["that is too large", Buffer.alloc(65 * KIB, 0x20), {}, 413, "CHUNK_TOO_LARGE"],
    [
      "that is too large unpacked",
      gzipSync(Buffer.alloc(5_000 * KIB)),
      { "content-encoding": "gzip" },
      413,
      "CHUNK_TOO_LARGE",
    ],
    [
      "that can't be unpacked",
      Buffer.from("no gzip"),
      { "content-encoding": "gzip" },
      400,
      "INVALID_REQUEST",
    ],
    [
      "that is cut while packed",
      gzipSync("[1,2,3]").subarray(0, 12),
      { "content-encoding": "gzip" },
      400,
      "INVALID_REQUEST",
    ],
    [
      "that says it is in another charset",
      Buffer.from("[1]"),
      { "content-type": "application/json; Charset=utf-16" },
      415,
      "UNSUPPORTED_MEDIA_TYPE",
    ],
    [
      "packed in an unknown way",
      Buffer.from("x"),
      { "content-encoding": "zip" },
      415,
      "UNSUPPORTED_MEDIA_TYPE",
    ],
  ])("%s is refused", async (_what, body, headers: Record<string, string>, status, code) => {
    const { post, budget } = await serve();
    expect(await post(body, headers)).toMatchObject({ status, body: { code } });
    await expect.poll(() => budget.bytes, SOON).toBe(0);
  });

  test("that is asked about first is told to come once it is read, and not where it is refused", async () => {
    const { server } = await serve();
    const expecting = (length: number) =>
      head(length).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    const welcome = send(server, expecting(2));
    await expect.poll(() => welcome.text, SOON).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    welcome.socket.write("{}");
    await expect.poll(() => welcome.text, SOON).toContain("HTTP/1.1 200");
    const refused = send(server, expecting(100_000));
    await expect.poll(() => refused.text, SOON).toMatch(/^HTTP\/1\.1 413/);
  });
});

describe("a body that stalls", () => {
  test.each([
    ["before its first byte", 60_000, ""],
    ["before its last byte", 60_000, "x".repeat(59_999)],
    ["of a few bytes", 3, "{"],
  ])(
    "%s is answered 408 in time, and its socket and its memory are given back",
    async (_what, length, text) => {
      const { server, budget } = await serve({ pace: { timeoutMs: 300, minBytesPerSecond: 0 } });
      const sent = send(server, head(length) + text);
      await expect.poll(() => sent.text, SOON).toMatch(/^HTTP\/1\.1 408 [^]*REQUEST_TIMEOUT/);
      await expect.poll(() => budget.bytes, SOON).toBe(0);
      await expect.poll(() => sent.socket.closed, SOON).toBe(true);
    },
  );

  test("by drips is answered 408, too", async () => {
    const { server } = await serve({ pace: { timeoutMs: 400, minBytesPerSecond: 0 } });
    const sent = send(server, head(60_000));
    const dripping = setInterval(() => sent.socket.write("x"), 5);
    await expect.poll(() => sent.text, SOON).toMatch(/^HTTP\/1\.1 408 /);
    clearInterval(dripping);
  });

  test("in chunks of a byte takes no more memory than its bytes", async () => {
    const { server, budget } = await serve();
    const chunks = "1\r\nx\r\n".repeat(20_000);
    const sent = send(
      server,
      `POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n${chunks}`,
    );
    await expect.poll(() => budget.bytes, SOON).toBeGreaterThanOrEqual(20_000);
    expect(budget.bytes).toBeLessThanOrEqual(64 * KIB);
    sent.socket.destroy();
    await expect.poll(() => budget.bytes, SOON).toBe(0);
  });
});

describe("memory for bodies", () => {
  test("is bounded for each address, and in all", async () => {
    const budget = new BodyBudget({ maxBytes: 200 * KIB, maxBytesPerAddress: 100 * KIB });
    const { server } = await serve({ budget });
    const stalled = head(50 * KIB) + "x".repeat(50 * KIB - 1);
    const first = [send(server, stalled), send(server, stalled)];
    await expect.poll(() => budget.bytes, SOON).toBeGreaterThan(99 * KIB - 2);
    const refused = send(server, stalled);
    await expect
      .poll(() => refused.text, SOON)
      .toMatch(/^HTTP\/1\.1 429 [^]*Retry-After: 1[^]*TOO_MANY_REQUESTS/);
    send(server, stalled, "127.0.0.2");
    send(server, stalled, "127.0.0.2");
    await expect.poll(() => budget.bytes, SOON).toBeGreaterThan(199 * KIB - 4);
    const overloaded = send(server, stalled, "127.0.0.3");
    await expect.poll(() => overloaded.text, SOON).toMatch(/^HTTP\/1\.1 503 [^]*OVERLOADED/);
    for (const { socket } of first) socket.destroy();
    await expect.poll(() => budget.bytes, SOON).toBeLessThanOrEqual(100 * KIB);
    const served = send(server, `${head(2)}{}`, "127.0.0.3");
    await expect.poll(() => served.text, SOON).toContain("HTTP/1.1 200");
  });

  test("is held while a request is worked on", async () => {
    let release = (): void => {};
    const working = new Promise<void>((resolve) => (release = resolve));
    const { post, budget } = await serve({}, () => working);
    const answer = post(JSON.stringify("x".repeat(10_000)));
    await expect.poll(() => budget.bytes, SOON).toBeGreaterThan(10_000);
    release();
    expect((await answer).status).toBe(200);
    await expect.poll(() => budget.bytes, SOON).toBe(0);
  });
});

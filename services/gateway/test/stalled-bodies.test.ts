import { connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { memoryGatewayPorts } from "@sluice/testing";
import { afterEach, expect, test } from "vitest";
import type { GatewaySettings } from "../src/config.ts";
import { Bench, NDJSON, text } from "./gateway-bench.ts";

const SOON = { timeout: 10_000, interval: 5 };
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function start(settings: Partial<GatewaySettings> = {}) {
  const bench = await new Bench(memoryGatewayPorts(), settings).listen();
  await bench.create("s");
  return bench;
}

function send(bench: Bench, path: string, type: string, body: string, length = 1_000_000) {
  const socket = connect({ host: "127.0.0.1", port: bench.port });
  const sent = { socket, text: "" };
  socket.on("data", (data) => (sent.text += String(data)));
  socket.on("error", () => {});
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n${body}`,
  );
  sockets.push(socket);
  return sent;
}

const bodyBytes = async (bench: Bench): Promise<number> => {
  const metric = await bench.registry.getSingleMetric("sluice_gateway_body_bytes")?.get();
  return metric?.values[0]?.value ?? -1;
};

test.each(["/streams", "/streams/batch", "/streams/s/chunks", "/streams/s/complete", "/prompts"])(
  "a body of JSON that stalls is answered 408: %s",
  async (path) => {
    await using bench = await start({ bodyTimeoutMs: 300 });
    const sent = send(bench, path, "application/json", '{"a":');
    await expect.poll(() => sent.text, SOON).toMatch(/^HTTP\/1\.1 408 [^]*REQUEST_TIMEOUT/);
    await expect.poll(() => sent.socket.closed, SOON).toBe(true);
    await expect.poll(() => bodyBytes(bench), SOON).toBe(0);
  },
);

test("a line that stalls, or comes by drips, ends its upload with 408 and what was stored; silence between lines doesn't", async () => {
  await using bench = await start({ bodyTimeoutMs: 400 });
  const line = `${JSON.stringify(text("a"))}\n`;
  const silent = send(bench, "/streams/s/chunks", NDJSON, line);
  const stalled = send(bench, "/streams/s/chunks", NDJSON, `${line}{"type":"Te`);
  const dripping = send(bench, "/streams/s/chunks", NDJSON, `${line}"`);
  const drips = setInterval(() => dripping.socket.write("x"), 20);
  for (const sent of [stalled, dripping]) {
    await expect.poll(() => sent.text, SOON).toMatch(/^HTTP\/1\.1 408 [^]*"accepted":1[^]*REQUEST_TIMEOUT/);
  }
  clearInterval(drips);
  expect(silent.text).toBe("");
  silent.socket.destroy();
  await expect.poll(() => bodyBytes(bench), SOON).toBe(0);
});

test("an upload that is silent for too long ends with 408, and its place is free again", async () => {
  await using bench = await start({ uploadIdleTimeoutMs: 200 });
  const sent = send(bench, "/streams/s/chunks", NDJSON, `${JSON.stringify(text("a"))}\n`);
  await expect.poll(() => sent.text, SOON).toMatch(/^HTTP\/1\.1 408 [^]*"accepted":1/);
  await expect.poll(() => bench.openUploads(), SOON).toBe(0);
});

test("an upload under a key has the time of any other body: its lines are kept until it ends", async () => {
  await using bench = await start({ bodyTimeoutMs: 300 });
  const line = `${JSON.stringify(text("a"))}\n`;
  const socket = connect({ host: "127.0.0.1", port: bench.port });
  sockets.push(socket);
  let answer = "";
  socket.on("data", (data) => (answer += String(data)));
  socket.on("error", () => {});
  socket.write(
    `POST /streams/s/chunks HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Type: ${NDJSON}\r\nContent-Length: 100000\r\n\r\n${line}`,
  );
  const drips = setInterval(() => socket.write(line), 20);
  await expect.poll(() => answer, SOON).toMatch(/^HTTP\/1\.1 408 /);
  clearInterval(drips);
});

test("lines count against the memory for bodies, of an address and of all", async () => {
  await using bench = await start({ maxHeldBodyBytesPerAddress: 100_000, maxUploads: 100 });
  const half = '"'.padEnd(60_000, "x");
  send(bench, "/streams/s/chunks", NDJSON, half);
  await expect.poll(() => bodyBytes(bench), SOON).toBeGreaterThan(59_999);
  const refused = send(bench, "/streams/s/chunks", NDJSON, half);
  await expect.poll(() => refused.text, SOON).toMatch(/^HTTP\/1\.1 429 [^]*TOO_MANY_REQUESTS/);
});

test("one address has only its share of the appends in progress", async () => {
  await using bench = await start({ maxUploads: 10, maxUploadsPerAddress: 2 });
  for (let open = 1; open <= 2; open++) {
    send(bench, "/streams/s/chunks", NDJSON, "");
    await expect.poll(() => bench.openUploads(), SOON).toBe(open);
  }
  expect(await bench.call("POST", "/streams/s/chunks", text("a"))).toMatchObject({
    status: 429,
    body: { code: "TOO_MANY_REQUESTS" },
  });
});

test("a gateway without a model server refuses before the body comes", async () => {
  await using bench = await start();
  const sent = send(bench, "/streams/s/proxy", "application/json", "", 15 * 1024 * 1024);
  await expect.poll(() => sent.text, SOON).toMatch(/^HTTP\/1\.1 404 [^]*OPENAI_BASE_URL/);
  const wrong = send(bench, "/streams/a%20b/proxy", "application/json", "", 15 * 1024 * 1024);
  await expect.poll(() => wrong.text, SOON).toMatch(/^HTTP\/1\.1 400 [^]*INVALID_STREAM_ID/);
});

test("types of bodies are compared without case", async () => {
  await using bench = await start();
  const chunk = JSON.stringify(text("a"));
  for (const type of ["Application/JSON", "APPLICATION/JSON; Charset=UTF-8", "Application/X-NDJSON"]) {
    expect((await bench.call("POST", "/streams/s/chunks", chunk, type)).status).toBe(200);
  }
  const upload = await bench.callRaw("POST", "/streams/s/chunks", chunk, {
    "content-type": "APPLICATION/X-NDJSON",
    accept: "Application/X-Ndjson",
  });
  expect(upload.headers.get("content-type")).toContain("application/x-ndjson");
});

test("lines that are packed are refused, and said how to send them", async () => {
  await using bench = await start();
  const packed = gzipSync(`${JSON.stringify(text("a"))}\n`).toString("latin1");
  const answer = await bench.sendBytes(
    `POST /streams/s/chunks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Type: ${NDJSON}\r\nContent-Length: ${packed.length}\r\n\r\n${packed}`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 415 [^]*UNSUPPORTED_MEDIA_TYPE/);
});

test("JSON that is not in UTF-8 is refused", async () => {
  await using bench = await start();
  const response = await fetch(`http://127.0.0.1:${bench.port}/streams/s/chunks`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: Buffer.concat([
      Buffer.from('{"type":"Text","content":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('"}'),
    ]),
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: "INVALID_REQUEST" });
});

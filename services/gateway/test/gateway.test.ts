import { StreamError, type StreamInfo } from "@sluice/core";
import type { MemoryLog, MemoryPromptQueue } from "@sluice/memory";
import { memoryGatewayPorts } from "@sluice/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Bench, text } from "./gateway-bench.ts";

let log: MemoryLog;
let promptQueue: MemoryPromptQueue;
let bench: Bench;

beforeEach(async () => {
  const ports = memoryGatewayPorts();
  ({ memory: log, promptQueue } = ports);
  bench = await new Bench(ports).listen();
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

test("a stream is created with a random id, and the answer says where it is", async () => {
  const answer = await bench.call("POST", "/streams", { options: { cache_ttl: 60 } });
  const streamId = String(answer.body["stream_id"]);
  expect(answer).toMatchObject({
    status: 201,
    body: {
      urls: {
        events: `http://edge.test/streams/${streamId}/events`,
        chunks: `/streams/${streamId}/chunks`,
        status: `/streams/${streamId}`,
      },
    },
  });
  expect(answer.headers.get("location")).toBe(`/streams/${streamId}`);
  expect(log.messages).toMatchObject([{ streamId, options: '{"cache_ttl":60}' }]);
  expect((await bench.call("POST", "/streams")).status).toBe(201);
});

test("an id can be chosen once, also where only its record is left", async () => {
  expect((await bench.create("s")).status).toBe(201);
  expect(await bench.create("s")).toMatchObject({ status: 409, body: { code: "STREAM_EXISTS" } });
  bench.infos.set("old", info("old", "completed"));
  expect(await bench.create("old")).toMatchObject({ status: 409, body: { code: "STREAM_EXISTS" } });
  bench.infos.set("gone", info("gone", "deleted"));
  expect(await bench.create("gone")).toMatchObject({ status: 410, body: { code: "STREAM_DELETED" } });
});

test.each([
  ["POST", "/streams", { stream_id: "a b" }, 400, "INVALID_STREAM_ID", undefined],
  ["POST", "/streams", { streamid: "a" }, 400, "INVALID_REQUEST", "streamid"],
  ["POST", "/streams", { options: { cache_ttl: "1" } }, 400, "INVALID_REQUEST", "options.cache_ttl"],
  ["POST", "/streams", "{", 400, "INVALID_REQUEST", undefined],
  ["POST", "/streams/a%20b/chunks", text("x"), 400, "INVALID_STREAM_ID", undefined],
  ["POST", "/streams/none/chunks", text("x"), 404, "STREAM_NOT_FOUND", undefined],
  ["POST", "/streams/s/chunks", "{", 400, "INVALID_REQUEST", undefined],
  ["POST", "/streams/s/chunks", { type: "Text" }, 422, "INVALID_CHUNK", "content"],
  ["POST", "/streams/s/chunks", "null", 422, "INVALID_CHUNK", ""],
  ["GET", "/streams/a%20b", undefined, 400, "INVALID_STREAM_ID", undefined],
  ["GET", "/streams/none", undefined, 404, "STREAM_NOT_FOUND", undefined],
  ["DELETE", "/streams/none", undefined, 404, "STREAM_NOT_FOUND", undefined],
  ["POST", "/prompts", {}, 400, "INVALID_REQUEST", "prompt"],
  ["GET", "/nothing", undefined, 404, "NOT_FOUND", undefined],
])(
  "%s %s with %j is refused as a problem that says what to mend",
  async (method, path, body, status, code, field) => {
    await bench.create("s");
    const answer = await bench.call(method, path, body);
    expect(answer).toMatchObject({ status, body: { status, code } });
    expect(answer.body["field"]).toBe(field);
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
    expect(String(answer.body["detail"]).length).toBeGreaterThan(10);
  },
);

test("the status of a stream is what its record says", async () => {
  bench.infos.set("s", { ...info("s", "completed"), options: '{"custom":{"user":"u"}}' });
  expect(await bench.call("GET", "/streams/s")).toMatchObject({
    status: 200,
    body: {
      stream_id: "s",
      status: "completed",
      head_sequence: 7,
      chunk_count: 6,
      byte_count: 500,
      created_ms: 1,
      updated_ms: 2,
      ended_ms: 3,
      cancel_requested_ms: null,
      options: { custom: { user: "u" } },
    },
  });
  bench.infos.set("d", info("d", "deleted"));
  expect(await bench.call("GET", "/streams/d")).toMatchObject({ status: 200, body: { status: "deleted" } });
});

test("a stream that the cache has lost is brought back for its status; without ingest nobody can tell", async () => {
  bench.rebuildable.set("s", info("s", "open"));
  expect(await bench.call("GET", "/streams/s")).toMatchObject({
    status: 200,
    body: { status: "open", head_sequence: 7 },
  });
  bench.isIngestThere = false;
  expect(await bench.call("GET", "/streams/other")).toMatchObject({
    status: 503,
    body: { code: "CACHE_UNAVAILABLE" },
  });
});

test("a delete leaves a tombstone, can be repeated, and reaches a record that outlived the log", async () => {
  await bench.create("s");
  await bench.call("POST", "/streams/s/chunks", text("secret"));
  expect((await bench.call("DELETE", "/streams/s")).status).toBe(204);
  expect((await bench.call("DELETE", "/streams/s")).status).toBe(204);
  expect(await bench.call("POST", "/streams/s/chunks", text("x"))).toMatchObject({
    status: 410,
    body: { code: "STREAM_DELETED" },
  });
  bench.infos.set("old", info("old", "completed"));
  expect((await bench.call("DELETE", "/streams/old")).status).toBe(204);
  expect(log.messages).toMatchObject([
    { streamId: "s", control: "delete" },
    { streamId: "old", control: "delete", producerSequence: 8 },
  ]);
});

test("a prompt goes to a worker, and the answer tells where to read", async () => {
  const asked: unknown[] = [];
  const worker = promptQueue.serve(async (prompt) => void asked.push(prompt));
  const answer = await bench.call("POST", "/prompts", { prompt: "why?", stream_id: "s" });
  expect(answer).toMatchObject({
    status: 201,
    body: { stream_id: "s", urls: { events: "http://edge.test/streams/s/events" } },
  });
  expect(asked).toEqual([{ streamId: "s", prompt: "why?" }]);
  expect((await bench.call("POST", "/prompts", { prompt: "again" })).body["stream_id"]).toMatch(
    /^[0-9a-f-]{36}$/,
  );
  worker.close();
  const alone = await bench.call("POST", "/prompts", { prompt: "why?" });
  expect(alone).toMatchObject({ status: 503, body: { code: "NO_WORKER" } });
  expect(alone.headers.get("retry-after")).toBe("1");
});

test("what a worker refuses with reaches the asker", async () => {
  promptQueue.serve(() => Promise.reject(new StreamError("STREAM_EXISTS", "taken")));
  expect(await bench.call("POST", "/prompts", { prompt: "why?", stream_id: "s" })).toMatchObject({
    status: 409,
    body: { code: "STREAM_EXISTS", detail: "taken" },
  });
});

test("a method that a path doesn't take is refused with those that it takes", async () => {
  for (const [method, path, allow] of [
    ["PUT", "/streams/s", "DELETE, GET, HEAD"],
    ["GET", "/prompts", "POST"],
    ["PATCH", "/streams/s/chunks", "POST"],
  ] as const) {
    const answer = await bench.call(method, path);
    expect(answer).toMatchObject({ status: 405, body: { code: "METHOD_NOT_ALLOWED" } });
    expect(answer.headers.get("allow")).toBe(allow);
  }
});

test("what the HTTP parser or the body parser refuses is a problem too", async () => {
  const raw = await bench.sendBytes("GET / HTTP/1.1\r\nbad header\r\n\r\n");
  expect(raw).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json.*"code":"INVALID_REQUEST"/s);
  const encoded = await bench.call("POST", "/streams", "x", "application/json", {
    "content-encoding": "none-such",
  });
  expect(encoded).toMatchObject({ status: 415, body: { code: "UNSUPPORTED_MEDIA_TYPE" } });
  const path = await bench.call("GET", "/streams/%zz");
  expect(path).toMatchObject({ status: 400, body: { code: "INVALID_REQUEST" } });
  for (const { headers } of [encoded, path])
    expect(headers.get("content-type")).toContain("application/problem+json");
});

test("pages of other origins may read, and write only where their origin is listed", async () => {
  const write = (origin: string, method: string, path: string) =>
    bench.call(method, path, undefined, "application/json", { origin });
  await bench.create("s");
  for (const [method, path] of [
    ["POST", "/streams"],
    ["POST", "/streams/batch"],
    ["POST", "/streams/s/chunks"],
    ["POST", "/streams/s/complete"],
    ["POST", "/streams/s/heartbeat"],
    ["POST", "/streams/s/cancel"],
    ["POST", "/streams/s/proxy"],
    ["POST", "/prompts"],
    ["DELETE", "/streams/s"],
  ] as const) {
    const refused = await write("https://evil.example", method, path);
    expect(refused).toMatchObject({ status: 403, body: { code: "CROSS_SITE" } });
  }
  expect(log.messages).toHaveLength(1);
  expect((await bench.call("GET", "/", undefined)).headers.get("access-control-allow-origin")).toBe("*");
  await using other = await new Bench(memoryGatewayPorts(), { corsOrigins: "https://a.example" }).listen();
  const headers = { origin: "https://a.example" };
  const created = await other.call("POST", "/streams", {}, "application/json", headers);
  expect(created.status).toBe(201);
  expect(created.headers.get("access-control-allow-origin")).toBe("https://a.example");
});

test("a host that is not served gets 421, on every path", async () => {
  for (const path of ["/", "/streams/s", "/chat/", "/nothing"]) {
    const answer = await bench.sendBytes(`GET ${path} HTTP/1.1\r\nHost: evil.example\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 421 [^]*application\/problem\+json[^]*"code":"MISDIRECTED"/);
  }
});

function info(streamId: string, status: StreamInfo["head"]["status"]): StreamInfo {
  return {
    streamId,
    head: { sequence: 7, brokerSequence: 9, status },
    chunkCount: 6,
    byteCount: 500,
    createdMs: 1,
    updatedMs: 2,
    endedMs: 3,
    options: null,
    beatIntervalMs: null,
    cancelRequest: null,
  };
}

import { connect } from "node:net";
import { StreamError, type StreamInfo } from "@sluice/core";
import { createLogger, createRegistry, listen, type HttpServer } from "@sluice/runtime";
import { MemoryLog, MemoryPromptDesk, MemoryStreamLog } from "@sluice/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createGateway, type Gateway } from "./index.ts";

const NDJSON = "application/x-ndjson";

let log: MemoryLog;
let streamLog: MemoryStreamLog;
let promptDesk: MemoryPromptDesk;
let infos: Map<string, StreamInfo>;
/** What ingest would bring back when asked to. */
let rebuildable: Map<string, StreamInfo>;
let isIngestThere: boolean;
let registry: ReturnType<typeof createRegistry>;
let gateway: Gateway;
let http: HttpServer;

beforeEach(async () => {
  log = new MemoryLog();
  streamLog = new MemoryStreamLog(log);
  promptDesk = new MemoryPromptDesk();
  infos = new Map();
  rebuildable = new Map();
  isIngestThere = true;
  registry = createRegistry("gateway");
  gateway = createGateway({
    log: streamLog,
    cache: { readInfo: async (streamId) => infos.get(streamId) ?? null },
    liveFeed: {
      requestRebuild: async (_partition, streamId) => {
        if (!isIngestThere) return null;
        const info = rebuildable.get(streamId);
        if (info === undefined) return { kind: "unknown" };
        infos.set(streamId, info);
        return { kind: "restored", firstAvailable: 1, head: info.head.sequence, status: info.head.status };
      },
    },
    promptDesk,
    settings: {
      logTimeoutMs: 300,
      promptTimeoutMs: 300,
      rebuildTimeoutMs: 300,
      uploadIdleTimeoutMs: 60_000,
      maxUploads: 3,
      allowAnyOrigin: true,
    },
    logger: createLogger("gateway", "silent"),
    registry,
    edgeUrl: "http://edge.test/",
  });
  http = await listen(gateway.app, { host: "127.0.0.1", port: 0 });
});
afterEach(async () => {
  await gateway.close();
  await http.close(0);
});

interface Answer {
  status: number;
  body: Record<string, unknown>;
  headers: Headers;
}

async function call(
  method: string,
  path: string,
  body?: unknown,
  type = "application/json",
): Promise<Answer> {
  const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
  const response = await fetch(`http://127.0.0.1:${http.port}${path}`, {
    method,
    ...(text === undefined ? {} : { body: text, headers: { "content-type": type } }),
  });
  const answer = await response.text();
  return {
    status: response.status,
    body: answer === "" ? {} : (JSON.parse(answer) as Record<string, unknown>),
    headers: response.headers,
  };
}

const create = (streamId: string): Promise<Answer> => call("POST", "/streams", { stream_id: streamId });
const text = (content: string) => ({ type: "Text", content });
const ndjson = (...values: unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join("");

/** The contents of a stream's Text chunks, by message. */
function stored(streamId: string): string[][] {
  return log.messages
    .filter((message) => message.streamId === streamId)
    .map(({ payload }) =>
      [
        ...Buffer.from(payload)
          .toString()
          .matchAll(/"content":"([^"]*)"/g),
      ].map((match) => match[1] ?? ""),
    )
    .filter((contents) => contents.length > 0);
}

/** An upload whose pieces are written one by one. */
async function openUpload(streamId: string) {
  const socket = connect(http.port, "127.0.0.1");
  let received = "";
  socket.on("data", (data) => (received += data.toString()));
  socket.on("error", () => {});
  socket.write(
    `POST /streams/${streamId}/chunks HTTP/1.1\r\nHost: x\r\nContent-Type: ${NDJSON}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  return {
    socket,
    write: (piece: string) => socket.write(`${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`),
    end: () => socket.write("0\r\n\r\n"),
    answer: () => vi.waitFor(() => parseAnswer(received), { timeout: 3_000, interval: 5 }),
  };
}

async function metric(name: string): Promise<number | undefined> {
  const metric = await registry.getSingleMetric(name)?.get();
  return metric?.values[0]?.value;
}

function parseAnswer(received: string): { status: number; body: Record<string, unknown> } {
  const [head = "", body = ""] = received.split("\r\n\r\n");
  return {
    status: Number(head.split(" ")[1]),
    body: JSON.parse(body) as Record<string, unknown>,
  };
}

const storedSoon = (streamId: string, contents: string[][]) =>
  vi.waitFor(() => expect(stored(streamId)).toEqual(contents), { timeout: 3_000, interval: 5 });

test("a stream is created with a random id, and the answer says where it is", async () => {
  const answer = await call("POST", "/streams", { options: { cache_ttl: 60 } });
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
  expect((await call("POST", "/streams")).status).toBe(201);
});

test("an id can be chosen once, also where only its record is left", async () => {
  expect((await create("s")).status).toBe(201);
  expect(await create("s")).toMatchObject({ status: 409, body: { code: "STREAM_EXISTS" } });
  infos.set("old", info("old", "completed"));
  expect(await create("old")).toMatchObject({ status: 409, body: { code: "STREAM_EXISTS" } });
  infos.set("gone", info("gone", "deleted"));
  expect(await create("gone")).toMatchObject({ status: 410, body: { code: "STREAM_DELETED" } });
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
    await create("s");
    const answer = await call(method, path, body);
    expect(answer).toMatchObject({ status, body: { status, code } });
    expect(answer.body["field"]).toBe(field);
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
    expect(String(answer.body["detail"]).length).toBeGreaterThan(10);
  },
);

test("a stream that isn't there is not made by an append: the problem names the request that does", async () => {
  const answer = await call("POST", "/streams/none/chunks", text("x"));
  expect(answer.body["detail"]).toContain("POST /streams");
  expect(log.messages.length).toBe(0);
});

test("a body of another type, or none, is refused with the types that are taken", async () => {
  await create("s");
  const answer = await call("POST", "/streams/s/chunks", "x", "text/plain");
  expect(answer).toMatchObject({ status: 415, body: { code: "UNSUPPORTED_MEDIA_TYPE" } });
  expect(answer.body["detail"]).toContain("application/x-ndjson");
  expect(await call("POST", "/streams/s/chunks")).toMatchObject({
    status: 400,
    body: { code: "INVALID_REQUEST" },
  });
  expect((await call("POST", "/streams", "x", "text/plain")).status).toBe(415);
});

test("one chunk is appended when the answer comes", async () => {
  await create("s");
  const answer = await call("POST", "/streams/s/chunks", text("hi"));
  expect(answer).toMatchObject({
    status: 200,
    body: {
      stream_id: "s",
      accepted: 1,
      first_sequence: 1,
      last_sequence: 1,
      broker_sequence: log.lastSequence,
    },
  });
  expect(stored("s")).toEqual([["hi"]]);
});

test("an array is appended as one, or not at all", async () => {
  await create("s");
  const good = await call("POST", "/streams/s/chunks", [
    text("a"),
    { chunk_type: { type: "Heartbeat" } },
    text("b"),
  ]);
  expect(good.body).toMatchObject({ accepted: 3, first_sequence: 1, last_sequence: 2 });
  const bad = await call("POST", "/streams/s/chunks", [text("c"), { type: "Text", content: 1 }]);
  expect(bad).toMatchObject({ status: 422, body: { code: "INVALID_CHUNK", field: "content", index: 1 } });
  const many = await call(
    "POST",
    "/streams/s/chunks",
    Array.from({ length: 1_025 }, () => text("d")),
  );
  expect(many).toMatchObject({ status: 400, body: { code: "INVALID_REQUEST" } });
  expect(stored("s")).toEqual([["a", "b"]]);
});

test("numbers that can't be known are left out", async () => {
  log.publishBare("s", Buffer.from('{"type":"Text","content":"bare"}'));
  const answer = await call("POST", "/streams/s/chunks", text("x"));
  expect(answer.body).toEqual({ stream_id: "s", accepted: 1, broker_sequence: log.lastSequence });
});

test("a chunk of more than 1 MiB is too large, in each form of body", async () => {
  await create("s");
  const large = text("x".repeat(1024 * 1024));
  expect(await call("POST", "/streams/s/chunks", large)).toMatchObject({
    status: 413,
    body: { code: "CHUNK_TOO_LARGE" },
  });
  expect(await call("POST", "/streams/s/chunks", text("x".repeat(3 * 1024 * 1024)))).toMatchObject({
    status: 413,
  });
  const lines = ndjson(text("a"), large, text("b"));
  expect(await call("POST", "/streams/s/chunks", lines, NDJSON)).toMatchObject({
    status: 413,
    body: { code: "CHUNK_TOO_LARGE", line: 2, accepted: 1, last_sequence: 1 },
  });
  expect(stored("s")).toEqual([["a"]]);
});

test("after the end nothing can be appended", async () => {
  await create("s");
  await call("POST", "/streams/s/chunks", { type: "Complete" });
  const late = { status: 409, body: { code: "STREAM_ENDED" } };
  expect(await call("POST", "/streams/s/chunks", text("late"))).toMatchObject(late);
  expect(await call("POST", "/streams/s/chunks", ndjson(text("late")), NDJSON)).toMatchObject(late);
});

test("lines after the end are refused with their number, the end is stored", async () => {
  await create("s");
  const answer = await call(
    "POST",
    "/streams/s/chunks",
    ndjson(text("a"), { type: "Complete" }, text("late")),
    NDJSON,
  );
  expect(answer).toMatchObject({
    status: 409,
    body: { code: "STREAM_ENDED", line: 3, accepted: 2, last_sequence: 2 },
  });
});

test("NDJSON is appended as it arrives, while the upload goes on", async () => {
  await create("s");
  const upload = await openUpload("s");
  upload.write(ndjson(text("a"), text("b")));
  await storedSoon("s", [["a", "b"]]);
  upload.write('{"type":"Text","con');
  upload.write('tent":"c"}\n');
  await storedSoon("s", [["a", "b"], ["c"]]);
  upload.write(JSON.stringify(text("d")));
  upload.end();
  expect(await upload.answer()).toMatchObject({
    status: 200,
    body: { accepted: 4, first_sequence: 1, last_sequence: 4 },
  });
  upload.socket.destroy();
});

test("a bad line ends an upload at once: what was before it is stored and told, nothing after it is taken", async () => {
  await create("s");
  const upload = await openUpload("s");
  upload.write(`${ndjson(text("a"))}\n${ndjson({ type: "Text", content: 1 }, text("b"))}`);
  expect(await upload.answer()).toMatchObject({
    status: 422,
    body: { code: "INVALID_CHUNK", field: "content", line: 3, accepted: 1, last_sequence: 1 },
  });
  upload.socket.destroy();
  const broken = await call("POST", "/streams/s/chunks", `${ndjson(text("c"))}not json\n`, NDJSON);
  expect(broken).toMatchObject({ status: 400, body: { code: "INVALID_REQUEST", line: 2, accepted: 1 } });
  expect(stored("s")).toEqual([["a"], ["c"]]);
});

test("an upload whose stream ends meanwhile is told at once, though its sender is silent", async () => {
  await create("s");
  const upload = await openUpload("s");
  upload.write(ndjson(text("a")));
  await storedSoon("s", [["a"]]);
  await call("POST", "/streams/s/chunks", { type: "Complete" });
  upload.write(ndjson(text("b")));
  expect(await upload.answer()).toMatchObject({ status: 409, body: { code: "STREAM_ENDED", accepted: 1 } });
  upload.socket.destroy();
});

test("a sender that goes away leaves what was whole, and nothing half", async () => {
  await create("s");
  const upload = await openUpload("s");
  upload.write(ndjson(text("a")));
  upload.write('{"type":"Text","content":"ha');
  await storedSoon("s", [["a"]]);
  upload.socket.destroy();
  await vi.waitFor(async () => {
    expect(await metric("sluice_gateway_open_uploads")).toBe(0);
  });
  expect((await call("POST", "/streams/s/chunks", text("b"))).body).toMatchObject({ last_sequence: 2 });
  expect(stored("s")).toEqual([["a"], ["b"]]);
});

test("two uploads at once interleave, each in its own order", async () => {
  await create("s");
  const uploads = [await openUpload("s"), await openUpload("s")];
  for (let number = 0; number < 50; number++) {
    for (const [index, upload] of uploads.entries()) upload.write(ndjson(text(`${"ab"[index]}${number}`)));
    await new Promise(setImmediate);
  }
  for (const upload of uploads) upload.end();
  for (const upload of uploads)
    expect(await upload.answer()).toMatchObject({ status: 200, body: { accepted: 50 } });
  const chunks = stored("s").flat();
  for (const name of ["a", "b"]) {
    const own = chunks.filter((chunk) => chunk.startsWith(name));
    expect(own).toEqual(Array.from({ length: 50 }, (_, number) => `${name}${number}`));
  }
  for (const upload of uploads) upload.socket.destroy();
});

test("more uploads than allowed are refused for the moment", async () => {
  await create("s");
  const uploads = [await openUpload("s"), await openUpload("s"), await openUpload("s")];
  await vi.waitFor(async () => expect(await metric("sluice_gateway_open_uploads")).toBe(3));
  const answer = await call("POST", "/streams/s/chunks", text("x"));
  expect(answer).toMatchObject({ status: 503, body: { code: "OVERLOADED" } });
  expect(answer.headers.get("retry-after")).toBe("1");
  for (const upload of uploads) upload.socket.destroy();
});

test("closing stops uploads with what they have stored", async () => {
  await create("s");
  const upload = await openUpload("s");
  upload.write(ndjson(text("a")));
  await storedSoon("s", [["a"]]);
  await gateway.close();
  expect(await upload.answer()).toMatchObject({
    status: 503,
    body: { code: "DRAINING", accepted: 1, last_sequence: 1 },
  });
  upload.socket.destroy();
});

test("without the log requests are refused in bounded time, to be repeated", async () => {
  await create("s");
  const upload = await openUpload("s");
  upload.write(ndjson(text("a")));
  await storedSoon("s", [["a"]]);
  log.setReachable(false);
  const away = { status: 503, body: { code: "LOG_UNAVAILABLE" } };
  upload.write(ndjson(text("b")));
  expect(await upload.answer()).toMatchObject({ ...away, body: { accepted: 1, may_be_stored: false } });
  for (const [method, path, body] of [
    ["POST", "/streams", {}],
    ["POST", "/streams/s/chunks", text("x")],
    ["DELETE", "/streams/s", undefined],
  ] as const) {
    const answer = await call(method, path, body);
    expect(answer).toMatchObject(away);
    expect(answer.headers.get("retry-after")).toBe("1");
  }
  upload.socket.destroy();
});

test("the status of a stream is what its record says", async () => {
  infos.set("s", { ...info("s", "completed"), options: '{"custom":{"user":"u"}}' });
  expect(await call("GET", "/streams/s")).toMatchObject({
    status: 200,
    body: {
      stream_id: "s",
      status: "completed",
      head_sequence: 7,
      chunk_count: 6,
      byte_count: 500,
      created_at: 1,
      updated_at: 2,
      ended_at: 3,
      options: { custom: { user: "u" } },
    },
  });
  infos.set("d", info("d", "deleted"));
  expect(await call("GET", "/streams/d")).toMatchObject({ status: 410, body: { code: "STREAM_DELETED" } });
});

test("a stream that the cache has lost is brought back for its status; without ingest nobody can tell", async () => {
  rebuildable.set("s", info("s", "open"));
  expect(await call("GET", "/streams/s")).toMatchObject({
    status: 200,
    body: { status: "open", head_sequence: 7 },
  });
  isIngestThere = false;
  expect(await call("GET", "/streams/other")).toMatchObject({
    status: 503,
    body: { code: "CACHE_UNAVAILABLE" },
  });
});

test("a delete leaves a tombstone, can be repeated, and reaches a record that outlived the log", async () => {
  await create("s");
  await call("POST", "/streams/s/chunks", text("secret"));
  expect((await call("DELETE", "/streams/s")).status).toBe(204);
  expect((await call("DELETE", "/streams/s")).status).toBe(204);
  expect(await call("POST", "/streams/s/chunks", text("x"))).toMatchObject({
    status: 410,
    body: { code: "STREAM_DELETED" },
  });
  infos.set("old", info("old", "completed"));
  expect((await call("DELETE", "/streams/old")).status).toBe(204);
  expect(log.messages).toMatchObject([
    { streamId: "s", control: "delete" },
    { streamId: "old", control: "delete", producerSequence: 8 },
  ]);
});

test("a prompt goes to a worker, and the answer tells where to read", async () => {
  const asked: unknown[] = [];
  const worker = promptDesk.serve(async (prompt) => void asked.push(prompt));
  const answer = await call("POST", "/prompts", { prompt: "why?", stream_id: "s" });
  expect(answer).toMatchObject({
    status: 201,
    body: { stream_id: "s", urls: { events: "http://edge.test/streams/s/events" } },
  });
  expect(asked).toEqual([{ streamId: "s", prompt: "why?" }]);
  expect((await call("POST", "/prompts", { prompt: "again" })).body["stream_id"]).toMatch(/^[0-9a-f-]{36}$/);
  worker.close();
  const alone = await call("POST", "/prompts", { prompt: "why?" });
  expect(alone).toMatchObject({ status: 503, body: { code: "NO_WORKER" } });
  expect(alone.headers.get("retry-after")).toBe("1");
});

test("what a worker refuses with reaches the asker", async () => {
  promptDesk.serve(() => Promise.reject(new StreamError("STREAM_EXISTS", "taken")));
  expect(await call("POST", "/prompts", { prompt: "why?", stream_id: "s" })).toMatchObject({
    status: 409,
    body: { code: "STREAM_EXISTS", detail: "taken" },
  });
});

test("pages of any origin may call and read the headers", async () => {
  const preflight = await fetch(`http://127.0.0.1:${http.port}/streams`, { method: "OPTIONS" });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-headers")).toBe("Content-Type");
  const answer = await call("GET", "/");
  expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  expect(answer.body["routes"]).toHaveProperty("POST /streams");
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
  };
}

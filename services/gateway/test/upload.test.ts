import type { MemoryLog, MemoryStreamLog } from "@sluice/memory";
import { memoryGatewayPorts } from "@sluice/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Bench, ndjson, NDJSON, storedTexts, text } from "./gateway-bench.ts";

let log: MemoryLog;
let streamLog: MemoryStreamLog;
let bench: Bench;

beforeEach(async () => {
  const ports = memoryGatewayPorts();
  log = ports.memory;
  streamLog = ports.log;
  bench = await new Bench(ports).listen();
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

const stored = (streamId: string): string[][] => storedTexts(log.messages, streamId);

const storedSoon = (streamId: string, contents: string[][]) =>
  vi.waitFor(() => expect(stored(streamId)).toEqual(contents), { timeout: 3_000, interval: 5 });

test("NDJSON is appended as it arrives, while the upload goes on", async () => {
  await bench.create("s");
  const upload = bench.openUpload("s");
  upload.write(ndjson(text("a"), text("b")));
  await storedSoon("s", [["a", "b"]]);
  upload.write('{"type":"Text","con');
  upload.write('tent":"c"}\n');
  await storedSoon("s", [["a", "b"], ["c"]]);
  upload.write(JSON.stringify(text("d")));
  upload.end();
  expect(await upload.answer).toMatchObject({
    status: 200,
    body: { accepted: 4, first_sequence: 1, last_sequence: 4 },
  });
  upload.socket.destroy();
});

test("a bad line ends an upload at once: what was before it is stored and told, nothing after it is taken", async () => {
  await bench.create("s");
  const upload = bench.openUpload("s");
  upload.write(`${ndjson(text("a"))}\n${ndjson({ type: "Text", content: 1 }, text("b"))}`);
  expect(await upload.answer).toMatchObject({
    status: 422,
    body: { code: "INVALID_CHUNK", field: "content", line: 3, accepted: 1, last_sequence: 1 },
  });
  upload.socket.destroy();
  const broken = await bench.call("POST", "/streams/s/chunks", `${ndjson(text("c"))}not json\n`, NDJSON);
  expect(broken).toMatchObject({ status: 400, body: { code: "INVALID_REQUEST", line: 2, accepted: 1 } });
  expect(stored("s")).toEqual([["a"], ["c"]]);
});

test("a failure of the last lines is told, though they were read to the end before", async () => {
  await bench.create("s");
  const gate = Promise.withResolvers<void>();
  const append = streamLog.append.bind(streamLog);
  streamLog.append = async (message) => {
    await gate.promise;
    return append(message);
  };
  const upload = bench.openUpload("s");
  upload.write(ndjson(text("a")));
  upload.end();
  // Answered on the same thread after the upload's end was read.
  await bench.call("GET", "/");
  log.isFull = true;
  gate.resolve();
  expect(await upload.answer).toMatchObject({ status: 507, body: { code: "LOG_FULL", accepted: 0 } });
  upload.socket.destroy();
});

test("the connection of a refused upload that never ends is closed soon after the answer", async () => {
  await bench.create("s");
  const upload = bench.openUpload("s");
  const closed = new Promise((resolve) => upload.socket.once("close", resolve));
  upload.write("not json\n");
  expect(await upload.answer).toMatchObject({ status: 400, body: { line: 1 } });
  upload.write(ndjson(text("more")));
  await closed;
  expect(stored("s")).toEqual([]);
});

test("the connection of a refused upload serves the next request once the upload has ended", async () => {
  await bench.create("s");
  const upload = bench.openUpload("s");
  upload.write("not json\n");
  await upload.answer;
  upload.write(ndjson(text("more")));
  upload.end();
  const next = new Promise<string>((resolve) =>
    upload.socket.once("data", (data) => resolve(data.toString())),
  );
  upload.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await next).toMatch(/^HTTP\/1\.1 200/);
  upload.socket.destroy();
});

test("an upload whose stream has ended is told at once, though its sender has fallen silent", async () => {
  await bench.create("s");
  const upload = bench.openUpload("s");
  upload.write(ndjson(text("a")));
  await storedSoon("s", [["a"]]);
  await bench.call("POST", "/streams/s/chunks", { type: "Complete" });
  upload.write(ndjson(text("b")));
  expect(await upload.answer).toMatchObject({ status: 409, body: { code: "STREAM_ENDED", accepted: 1 } });
  upload.socket.destroy();
});

test("a sender that goes away leaves what was whole, and nothing half", async () => {
  await bench.create("s");
  const upload = bench.openUpload("s");
  upload.write(ndjson(text("a")));
  upload.write('{"type":"Text","content":"ha');
  await storedSoon("s", [["a"]]);
  upload.socket.destroy();
  await vi.waitFor(async () => {
    expect(await bench.openUploads()).toBe(0);
  });
  expect((await bench.call("POST", "/streams/s/chunks", text("b"))).body).toMatchObject({ last_sequence: 2 });
  expect(stored("s")).toEqual([["a"], ["b"]]);
});

test("two uploads at once interleave, each in its own order", async () => {
  await bench.create("s");
  const uploads = [bench.openUpload("s"), bench.openUpload("s")];
  for (let number = 0; number < 50; number++) {
    for (const [index, upload] of uploads.entries()) upload.write(ndjson(text(`${"ab"[index]}${number}`)));
    await new Promise(setImmediate);
  }
  for (const upload of uploads) upload.end();
  for (const upload of uploads)
    expect(await upload.answer).toMatchObject({ status: 200, body: { accepted: 50 } });
  const chunks = stored("s").flat();
  for (const name of ["a", "b"]) {
    const own = chunks.filter((chunk) => chunk.startsWith(name));
    expect(own).toEqual(Array.from({ length: 50 }, (_, number) => `${name}${number}`));
  }
  for (const upload of uploads) upload.socket.destroy();
});

test("more uploads than allowed are refused for the moment", async () => {
  await bench.create("s");
  const uploads = [bench.openUpload("s"), bench.openUpload("s"), bench.openUpload("s")];
  await vi.waitFor(async () => expect(await bench.openUploads()).toBe(3));
  const answer = await bench.call("POST", "/streams/s/chunks", text("x"));
  expect(answer).toMatchObject({ status: 503, body: { code: "OVERLOADED" } });
  expect(answer.headers.get("retry-after")).toBe("1");
  for (const upload of uploads) upload.socket.destroy();
});

test("closing stops uploads with what they have stored", async () => {
  await bench.create("s");
  const upload = bench.openUpload("s");
  upload.write(ndjson(text("a")));
  await storedSoon("s", [["a"]]);
  await bench.gateway.close();
  expect(await upload.answer).toMatchObject({
    status: 503,
    body: { code: "DRAINING", accepted: 1, last_sequence: 1 },
  });
  upload.socket.destroy();
});

test("without the log requests are refused in bounded time, to be repeated", async () => {
  await bench.create("s");
  const upload = bench.openUpload("s");
  upload.write(ndjson(text("a")));
  await storedSoon("s", [["a"]]);
  log.setReachable(false);
  const away = { status: 503, body: { code: "LOG_UNAVAILABLE" } };
  upload.write(ndjson(text("b")));
  expect(await upload.answer).toMatchObject({ ...away, body: { accepted: 1, may_be_stored: false } });
  for (const [method, path, body] of [
    ["POST", "/streams", {}],
    ["POST", "/streams/s/chunks", text("x")],
    ["DELETE", "/streams/s", undefined],
  ] as const) {
    const answer = await bench.call(method, path, body);
    expect(answer).toMatchObject(away);
    expect(answer.headers.get("retry-after")).toBe("1");
  }
  upload.socket.destroy();
});

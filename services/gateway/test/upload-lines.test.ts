import type { MemoryCancelFeed, MemoryLog } from "@sluice/memory";
import { memoryGatewayPorts } from "@sluice/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Bench, ndjson, NDJSON, storedTexts, text } from "./gateway-bench.ts";

let log: MemoryLog;
let cancelFeed: MemoryCancelFeed;
let bench: Bench;

beforeEach(async () => {
  const ports = memoryGatewayPorts();
  ({ memory: log, cancelFeed } = ports);
  bench = await new Bench(ports).listen();
  await bench.create("s");
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  if (cancelFeed.openSubscriptions > 0) throw new Error("a subscription was left open");
});

test("each batch is acknowledged while the upload goes on, the last line sums up", async () => {
  const upload = bench.openTalk("s");
  expect(await upload.head).toMatch(/^HTTP\/1\.1 200 .*application\/x-ndjson/s);
  upload.write(ndjson(text("a"), text("b")));
  expect(await upload.nextLine()).toEqual({
    accepted: 2,
    first_sequence: 1,
    last_sequence: 2,
    broker_sequence: log.lastSequence,
    line: 2,
  });
  upload.write(`\n${ndjson(text("c"), { type: "Heartbeat" })}`);
  expect(await upload.nextLine()).toMatchObject({
    accepted: 2,
    first_sequence: 3,
    last_sequence: 3,
    line: 5,
  });
  upload.end();
  expect(await upload.nextLine()).toEqual({
    stream_id: "s",
    accepted: 4,
    first_sequence: 1,
    last_sequence: 3,
    broker_sequence: log.lastSequence,
  });
  expect(await upload.nextLine()).toBeNull();
});

test("a failure is the last line, a problem with what was stored before", async () => {
  const upload = bench.openTalk("s");
  upload.write(`${ndjson(text("a"))}oops\n${ndjson(text("b"))}`);
  expect(await upload.nextLine()).toMatchObject({ accepted: 1, line: 1 });
  expect(await upload.nextLine()).toMatchObject({
    code: "INVALID_REQUEST",
    status: 400,
    line: 2,
    accepted: 1,
  });
  expect(await upload.nextLine()).toBeNull();
  expect(storedTexts(log.messages, "s")).toEqual([["a"]]);
});

test("what refuses an upload before its first line is told by the status", async () => {
  const accept = { "content-type": NDJSON, accept: NDJSON };
  expect(await bench.callRaw("POST", "/streams/none/chunks", ndjson(text("a")), accept)).toMatchObject({
    status: 404,
  });
  const answer = await bench.callRaw("POST", "/streams/s/chunks?mode=mine", ndjson(text("a")), accept);
  expect(answer.status).toBe(400);
  expect(answer.headers.get("content-type")).toContain("application/problem+json");
});

test("a body that has all come is answered with the same lines", async () => {
  const accept = { "content-type": NDJSON, accept: `${NDJSON}, */*;q=0.1` };
  const { text: answer } = await bench.callRaw(
    "POST",
    "/streams/s/chunks",
    ndjson(text("a"), { type: "Complete" }),
    accept,
  );
  const lines = answer.trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { accepted: 2, line: 2 },
    { stream_id: "s", accepted: 2, last_sequence: 2 },
  ]);
});

test("a wish to cancel the stream is told at once, and the sender can end it itself", async () => {
  const upload = bench.openTalk("s");
  await upload.head;
  expect(await cancelFeed.tellProducer("s", "requested")).toBe(true);
  expect(await upload.nextLine()).toEqual({ cancelled: true, reason: "requested" });
  upload.write(ndjson({ type: "Error", error: "stopped", code: "CANCELLED" }));
  upload.end();
  expect(await upload.nextLine()).toMatchObject({ accepted: 1, last_sequence: 1 });
  expect(await upload.nextLine()).toMatchObject({ stream_id: "s" });
});

test("an upload that isn't told of cancels doesn't answer for a producer", async () => {
  const upload = bench.openUpload("s");
  upload.write(ndjson(text("a")));
  await vi.waitFor(() => expect(log.messages.length).toBe(2));
  expect(await cancelFeed.tellProducer("s", "requested")).toBe(false);
  upload.socket.destroy();
});

test("a sender that goes away leaves neither a subscription nor an upload behind", async () => {
  const upload = bench.openTalk("s");
  await upload.head;
  upload.write('{"type":"Text"');
  upload.socket.destroy();
  await vi.waitFor(async () => expect(await bench.openUploads()).toBe(0));
});

test("closing the gateway is the last line of an upload", async () => {
  const upload = bench.openTalk("s");
  await upload.head;
  await bench.gateway.close();
  expect(await upload.nextLine()).toMatchObject({ code: "DRAINING", accepted: 0 });
  upload.socket.destroy();
});

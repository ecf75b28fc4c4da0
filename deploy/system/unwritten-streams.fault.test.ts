import { VerifyingReader } from "@sluice/testing";
import { connectProducer, type StreamManager } from "@sluice/producer";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRedisProbe, metaKeyOf, type RedisProbe } from "./redis-probe.ts";
import { startStack, type Stack } from "./stack.ts";

const SHORT = { UNWRITTEN_TTL_SECONDS: "2" };
const WAIT = { timeout: 30_000, interval: 100 };

let stack: Stack;
let probe: RedisProbe;
let producer: StreamManager;

beforeAll(async () => {
  stack = await startStack({
    ingest: 1,
    edges: 1,
    gateway: true,
    // Often enough that a reader's edge notices in the test's time that a record is gone.
    env: { ingest: SHORT, edge: { HEAD_CHECK_INTERVAL_MS: "600" } },
  });
  probe = createRedisProbe(stack.redis.url);
  producer = await connectProducer({ servers: stack.natsUrl, settings: { beatIntervalMs: 500 } });
});
afterAll(async () => {
  await producer.close();
  await probe[Symbol.asyncDispose]();
  await stack.stop();
});

async function expired(streamId: string): Promise<void> {
  await expect.poll(() => probe.exists(metaKeyOf(streamId)), WAIT).toBe(false);
}

async function call(method: string, path: string, body?: object, headers = {}): Promise<number> {
  const response = await fetch(stack.gatewayUrl + path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  await response.arrayBuffer();
  return response.status;
}
const text = (content: string) => ({ type: "Text", content });

test("a stream that nobody wrote to leaves Redis within its time, and is there as soon as somebody asks for it", async () => {
  const options = { cache_ttl: 86_400, custom: { a: "x".repeat(1_000) } };
  expect(await call("POST", "/streams", { stream_id: "asked", options })).toBe(201);
  await expired("asked");
  const status = await fetch(`${stack.gatewayUrl}/streams/asked`);
  expect(await status.json()).toMatchObject({ status: "open", head_sequence: 0, options });
  // Brought back from the log, it lives no longer than it did.
  await expired("asked");
  expect(await call("POST", "/streams", { stream_id: "asked" })).toBe(409);
  await expect(producer.createStream({ streamId: "asked" })).rejects.toMatchObject({ code: "STREAM_EXISTS" });
});

test("a creation that is repeated after that succeeds again", async () => {
  const key = { "Idempotency-Key": "k1" };
  expect(await call("POST", "/streams", { stream_id: "keyed" }, key)).toBe(201);
  await expired("keyed");
  expect(await call("POST", "/streams", { stream_id: "keyed" }, key)).toBe(201);
});

test("writers that come after that, by HTTP and by NATS, and readers that were there before, miss nothing", async () => {
  const { handle } = await producer.createStream({ streamId: "by-nats" });
  expect(await call("POST", "/streams", { stream_id: "by-http" })).toBe(201);
  const readers = ["by-nats", "by-http", "not-yet"].map(
    (streamId) => new VerifyingReader({ edgeUrl: () => stack.edgeUrl, streamId, query: "wait=25" }),
  );
  const reading = Promise.all(readers.map((reader) => reader.run()));
  // A reader keeps asking for the record; it is gone again and again until somebody writes.
  await expired("by-nats");
  await expired("by-http");
  expect(await call("POST", "/streams", { stream_id: "not-yet" })).toBe(201);
  await expired("not-yet");

  await handle.sendText("a");
  await handle.sendComplete();
  for (const streamId of ["by-http", "not-yet"]) {
    expect(await call("POST", `/streams/${streamId}/chunks`, text("a"))).toBe(200);
    expect(await call("POST", `/streams/${streamId}/complete`)).toBe(200);
  }
  await reading;
  for (const reader of readers) {
    expect([reader.problems, reader.gaps, reader.data.length]).toEqual([[], [], 2]);
  }
  for (const streamId of ["by-nats", "by-http", "not-yet"])
    expect(await probe.exists(metaKeyOf(streamId))).toBe(true);
});

test("the promise to beat of a producer that hasn't written yet is kept, though the record went meanwhile", async () => {
  const { handle } = await producer.createStream({ streamId: "beats" });
  await expired("beats");
  await handle.sendText("late");
  await handle.sendComplete();
  const reader = new VerifyingReader({ edgeUrl: () => stack.edgeUrl, streamId: "beats", query: "" });
  await reader.run();
  expect([reader.problems, reader.gaps, reader.data.length]).toEqual([[], [], 2]);
});

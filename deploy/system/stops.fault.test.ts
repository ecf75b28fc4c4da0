import {
  awaitLog,
  connectNats,
  NatsCancelFeed,
  NatsLiveFeed,
  NatsStreamLog,
  type NatsLink,
} from "@sluice/broker-nats";
import type { Subscription } from "@sluice/core";
import { StreamManager, type StreamHandle } from "@sluice/producer";
import { VerifyingReader } from "@sluice/testing";
import { EventSource } from "eventsource";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startStack, type Stack } from "./stack.ts";

const GRACE_MS = 3_000;
const ABANDONED_SECONDS = 5;
const DEADLINE = { timeout: 30_000 };

let stack: Stack;
let link: NatsLink;
let manager: StreamManager;
let cancelFeed: NatsCancelFeed;
const listening: Subscription[] = [];

beforeAll(async () => {
  const env = { ingest: { CANCEL_GRACE_MS: String(GRACE_MS) } };
  stack = await startStack({ ingest: 2, edges: 2, gateway: true, env });
  link = await connectNats({ servers: stack.natsUrl, name: "test" });
  cancelFeed = new NatsCancelFeed(link);
  const log = new NatsStreamLog(link, await awaitLog(link, 5_000));
  manager = new StreamManager({ log, liveFeed: new NatsLiveFeed(link), cancelFeed });
});

afterAll(async () => {
  for (const subscription of listening) subscription.close();
  await manager.close();
  await link.close();
  await stack.stop();
});

function read(streamId: string): { reader: VerifyingReader; ended: Promise<void> } {
  const reader = new VerifyingReader({ edgeUrl: () => stack.edgeUrl, streamId, query: "wait=10" });
  return { reader, ended: reader.run() };
}

/** The end that a reader got, and that it got everything before. */
async function endFor({ reader, ended }: ReturnType<typeof read>): Promise<unknown> {
  await ended;
  expect([...reader.problems, ...reader.gaps]).toEqual([]);
  const last = JSON.parse(reader.data.at(-1) ?? "{}") as { chunk_type: unknown };
  return last.chunk_type;
}

async function cancel(streamId: string, url = stack.edgeUrl): Promise<unknown[]> {
  const response = await fetch(`${url}/streams/${streamId}/cancel`, { method: "POST" });
  return [response.status, await response.json()];
}

async function status(streamId: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${stack.gatewayUrl}/streams/${streamId}`);
  return (await response.json()) as Record<string, unknown>;
}

function listen(streamId: string, obey: () => void): void {
  listening.push(cancelFeed.onCancel(streamId, obey));
}

/** Until it is refused. */
async function sendOn(handle: StreamHandle): Promise<unknown> {
  try {
    for (;;) {
      await handle.sendText("on and on");
      await delay(20);
    }
  } catch (error) {
    return error;
  }
}

const asked = (streamId: string): unknown[] => [202, { stream_id: streamId, status: "open" }];
const cancelled = { type: "Error", code: "CANCELLED" };

test("a stream is stopped: without a producer at once, by a producer that hears it, and over the head of one that goes on", async () => {
  await link.jetStream.publish("stream.bare", '{"type":"Text","content":"a"}');
  const { handle: willing } = await manager.createStream({ streamId: "willing" });
  const { handle: deaf } = await manager.createStream({ streamId: "deaf" });
  willing.signal.addEventListener("abort", () => void willing.sendCancelled("I stop."));
  const ignored = deaf.signal;
  await link.connection.flush();
  const refused = sendOn(deaf);
  const readings = { bare: read("bare"), willing: read("willing"), deaf: read("deaf") };
  await expect.poll(() => readings.deaf.reader.lastSequence, DEADLINE).toBeGreaterThan(2);

  const startedMs = performance.now();
  expect(await cancel("deaf", stack.gatewayUrl)).toEqual(asked("deaf"));
  expect(await cancel("bare")).toEqual(asked("bare"));
  expect(await cancel("willing")).toEqual(asked("willing"));
  expect(await endFor(readings.bare)).toMatchObject(cancelled);
  expect(await endFor(readings.willing)).toMatchObject({ ...cancelled, error: "I stop." });
  expect(await endFor(readings.deaf)).toMatchObject(cancelled);
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(GRACE_MS);
  expect(await refused).toMatchObject({ code: "STREAM_ENDED" });
  expect(ignored.reason).toMatchObject({ code: "CANCELLED" });

  const { cancel_requested_ms: requestedMs } = await status("bare");
  expect(Math.abs(Date.now() - Number(requestedMs))).toBeLessThan(60_000);
  expect(await cancel("bare")).toEqual([200, { stream_id: "bare", status: "cancelled" }]);
  expect(await cancel("never", stack.gatewayUrl)).toMatchObject([404, { code: "STREAM_NOT_FOUND" }]);
}, 60_000);

test("a stream whose readers all disconnect goes on, long after one that may be abandoned was ended", async () => {
  const { handle } = await manager.createStream({ streamId: "left-alone" });
  const { signal } = handle;
  const readings = [read("left-alone"), read("left-alone")];
  await handle.sendText("a");
  await expect.poll(() => Math.min(...readings.map(({ reader }) => reader.lastSequence)), DEADLINE).toBe(1);
  for (const { reader, ended } of readings) {
    reader.stop();
    await ended;
  }
  // Created after they left, told, and it goes on: once it is over, both times have passed.
  const startedMs = performance.now();
  const { handle: witness } = await manager.createStream({
    streamId: "witness",
    cancelWhenAbandonedSeconds: ABANDONED_SECONDS,
  });
  const told = witness.signal;
  expect(await sendOn(witness)).toMatchObject({ code: "STREAM_ENDED" });
  expect(told.reason).toMatchObject({ details: { reason: "abandoned" } });
  expect(performance.now() - startedMs).toBeGreaterThan((ABANDONED_SECONDS - 1) * 1000 + GRACE_MS);
  expect(await status("witness")).toMatchObject({ status: "cancelled" });
  expect(await status("left-alone")).toMatchObject({ status: "open", cancel_requested_ms: null });
  expect(signal.aborted).toBe(false);
  await handle.sendComplete();
  expect(await endFor(read("left-alone"))).toMatchObject({ type: "Complete" });
  expect(await status("left-alone")).toMatchObject({ status: "completed", cancel_requested_ms: null });
}, 60_000);

test("heartbeats reach EventSource while it reads live, and leave its last event id alone", async () => {
  const { handle } = await manager.createStream({ streamId: "beating" });
  await handle.sendText("a");
  const source = new EventSource(`${stack.edgeUrl}/streams/beating/events`);
  const got: unknown[] = [];
  for (const name of ["text", "heartbeat"])
    source.addEventListener(name, ({ lastEventId, data }) =>
      got.push([name, lastEventId, JSON.parse(data as string)]),
    );
  await expect.poll(() => got.length, DEADLINE).toBe(1);
  await handle.send({ chunk_type: { type: "Heartbeat" }, metadata: { source: "model" } });
  await expect.poll(() => got.length, DEADLINE).toBe(2);
  await handle.sendText("b");
  await expect.poll(() => got.length, DEADLINE).toBe(3);
  source.close();
  const beat = { stream_id: "beating", chunk_type: { type: "Heartbeat" }, metadata: { source: "model" } };
  expect(got).toMatchObject([
    ["text", "1", { sequence: 1 }],
    ["heartbeat", "1", beat],
    ["text", "2", { sequence: 2 }],
  ]);
  expect(got[1]).not.toHaveProperty([2, "sequence"]);
  await handle.sendComplete();
  const { reader, ended } = read("beating");
  await ended;
  expect(reader).toMatchObject({ lastSequence: 3, heartbeats: 0, problems: [] });
});

test("an abandoned stream is cancelled; one is not while a reader at any edge follows it, though others come and go", async () => {
  const options = { cancelWhenAbandonedSeconds: ABANDONED_SECONDS };
  const startedMs = performance.now();
  const { handle } = await manager.createStream({ streamId: "abandoned", ...options });
  const { signal } = handle;
  await manager.createStream({ streamId: "followed", ...options });
  const followers = [read("followed"), read("followed"), read("followed"), read("followed")];
  await expect.poll(() => signal.reason, DEADLINE).toMatchObject({ details: { reason: "abandoned" } });
  expect(performance.now() - startedMs).toBeGreaterThan((ABANDONED_SECONDS - 1) * 1000);
  await handle.sendCancelled("Nobody listens.");
  expect(await endFor(read("abandoned"))).toMatchObject({ error: "Nobody listens." });

  for (const { reader, ended } of followers.slice(1)) {
    reader.stop();
    await ended;
  }
  expect(await status("followed")).toMatchObject({ status: "open", cancel_requested_ms: null });
  followers[0]!.reader.stop();
  await followers[0]!.ended;
  await expect.poll(() => status("followed"), DEADLINE).toMatchObject({ status: "cancelled" });
}, 60_000);

test("a wish outlives the owner that took it: the next one tells the producer, waits, and ends the stream", async () => {
  const ids = Array.from({ length: 8 }, (_, index) => `inherited-${index}`);
  const told = new Map<string, number>();
  for (const streamId of ids) {
    await manager.createStream({ streamId });
    listen(streamId, () => told.set(streamId, (told.get(streamId) ?? 0) + 1));
  }
  await link.connection.flush();
  for (const streamId of ids) expect(await cancel(streamId)).toEqual(asked(streamId));
  await stack.service("ingest-1").kill();
  for (const streamId of ids) expect(await endFor(read(streamId))).toMatchObject(cancelled);
  expect([...told.keys()].toSorted()).toEqual(ids);
}, 60_000);

import { connectNats, NatsLiveFeed, NatsStreamLog, awaitLog, type NatsLink } from "@sluice/broker-nats";
import { createRedis, type RedisConnection } from "@sluice/cache-redis";
import { partitionOf } from "@sluice/core";
import { StreamManager } from "@sluice/producer";
import {
  chunksKey,
  CHUNKS_STREAM,
  chunkSubject,
  DEFAULT_PARTITIONS,
  metaKey,
  openStreamsKey,
} from "@sluice/protocol";
import { VerifyingReader } from "@sluice/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startStack, type Stack } from "./stack.ts";

const PRODUCER_TIMEOUT_MS = 2_000;
const BEAT_INTERVAL_MS = 300;
const IDLE_LIMIT_SECONDS = 12;
const META_TTL_MS = 7 * 24 * 3_600_000;
const DEADLINE = { timeout: 30_000 };

let stack: Stack;
let link: NatsLink;
let redis: RedisConnection;
const managers: StreamManager[] = [];

beforeAll(async () => {
  stack = await startStack({
    ingest: 2,
    edges: 2,
    gateway: true,
    worker: true,
    env: {
      ingest: {
        PRODUCER_TIMEOUT_MS: String(PRODUCER_TIMEOUT_MS),
        IDLE_LIMIT_SECONDS: String(IDLE_LIMIT_SECONDS),
        MAX_STREAM_CHUNKS: "500",
      },
      worker: { BEAT_INTERVAL_MS: String(BEAT_INTERVAL_MS), TOKENS_PER_SECOND: "10" },
    },
  });
  link = await connectNats({ servers: stack.natsUrl, name: "test" });
  redis = createRedis(stack.redis.url);
});

afterAll(async () => {
  await Promise.all(managers.map((manager) => manager.close()));
  await link.close();
  await redis.close();
  await stack.stop();
});

/** A producer that can fall silent like a killed process, in this one. */
async function producer(): Promise<{ manager: StreamManager; fallSilent: () => void }> {
  let isSilent = false;
  const feed = new NatsLiveFeed(link);
  const manager = new StreamManager({
    log: new NatsStreamLog(link, await awaitLog(link, 5_000)),
    liveFeed: { publishBeat: (id, sequence) => (isSilent ? undefined : feed.publishBeat(id, sequence)) },
    settings: { beatIntervalMs: BEAT_INTERVAL_MS },
  });
  managers.push(manager);
  return { manager, fallSilent: () => (isSilent = true) };
}

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

async function ask(streamId: string): Promise<void> {
  const response = await fetch(`${stack.gatewayUrl}/prompts`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: "How does a stream end?", stream_id: streamId }),
  });
  expect(response.status).toBe(201);
}

const lost = { type: "Error", code: "PRODUCER_LOST" };

test("when a worker is killed in mid-answer, all readers of all its answers learn it in time, after all that it had said", async () => {
  const ids = Array.from({ length: 5 }, (_, index) => `killed-${index}`);
  await Promise.all(ids.map(ask));
  const readings = ids.flatMap((streamId) => Array.from({ length: 3 }, () => read(streamId)));
  await expect
    .poll(() => Math.min(...readings.map(({ reader }) => reader.lastSequence)), DEADLINE)
    .toBeGreaterThan(3);
  await stack.service("worker").kill();
  const killedMs = performance.now();
  for (const reading of readings) expect(await endFor(reading)).toMatchObject(lost);
  expect(performance.now() - killedMs).toBeGreaterThan(PRODUCER_TIMEOUT_MS - BEAT_INTERVAL_MS);
  expect(performance.now() - killedMs).toBeLessThan(4 * PRODUCER_TIMEOUT_MS);
});

test("a successor that comes in time goes on with the stream, and a producer that is silent but beats is left alone, across the death of their owner", async () => {
  const [first, second, quiet] = [await producer(), await producer(), await producer()];
  const { handle: old } = await first.manager.createStream({ streamId: "handed-over" });
  await old.sendText("one");
  const { handle: patient } = await quiet.manager.createStream({ streamId: "quiet" });
  first.fallSilent();
  const readings = [read("handed-over"), read("quiet")] as const;
  const successor = await second.manager.openStream("handed-over");
  // Whoever takes the partitions over has heard nobody yet, and must not take that for death.
  await stack.service("ingest-1").kill();
  // As long as the owners, old or new, need to miss somebody, twice.
  for (const streamId of ["witness-1", "witness-2"]) {
    const witness = await producer();
    await witness.manager.createStream({ streamId });
    witness.fallSilent();
    expect(await endFor(read(streamId))).toMatchObject(lost);
  }
  await successor.sendText("two");
  await successor.sendComplete();
  await patient.sendComplete();
  expect(await endFor(readings[0])).toMatchObject({ type: "Complete" });
  expect(readings[0].reader.lastSequence).toBe(3);
  expect(await endFor(readings[1])).toMatchObject({ type: "Complete" });
});

test("a stream that nobody writes any more ends at the idle limit", async () => {
  await link.jetStream.publish("stream.idle", '{"type":"Text","content":"a"}');
  const { manager } = await producer();
  const { handle } = await manager.createStream({ streamId: "left-open" });
  await handle.sendText("b");
  await handle.close();
  const startedMs = performance.now();
  for (const streamId of ["idle", "left-open"]) {
    expect(await endFor(read(streamId))).toMatchObject({ type: "Error", code: "IDLE_TIMEOUT" });
  }
  expect(performance.now() - startedMs).toBeGreaterThan((IDLE_LIMIT_SECONDS - 2) * 1000);
});

test("a stream past its limit ends for its readers and for a producer that never pauses", async () => {
  const { manager } = await producer();
  const { handle } = await manager.createStream({ streamId: "endless" });
  const reading = read("endless");
  const sendOn = async (): Promise<void> => {
    for (;;) await handle.sendText("on and on");
  };
  await expect(sendOn()).rejects.toMatchObject({ code: "STREAM_ENDED" });
  expect(await endFor(reading)).toMatchObject({ type: "Error", code: "STREAM_LIMIT" });
});

test("the outcome of a stream is known for seven days, by log and cache alike", async () => {
  const { manager } = await producer();
  const { handle } = await manager.createStream({ streamId: "outcome" });
  await handle.sendComplete("done");
  const partition = partitionOf("outcome", DEFAULT_PARTITIONS);
  const key = metaKey(partition, "outcome");
  const status = () => redis.run("look", (client) => client.hget(key, "status"));
  await expect.poll(status, DEADLINE).toBe("completed");
  expect(await redis.run("look", (client) => client.pttl(key))).toBeGreaterThan(META_TTL_MS - 60_000);
  const place = () => redis.run("look", (client) => client.zscore(openStreamsKey(partition), "outcome"));
  expect(await place()).toBeNull();
});

test("a delete ends the readers, takes the chunks out of log and cache, and is remembered", async () => {
  const { manager } = await producer();
  const { handle } = await manager.createStream({ streamId: "unwanted" });
  for (let index = 0; index < 20; index++) await handle.sendText("secret");
  const { reader, ended } = read("unwanted");
  await expect.poll(() => reader.lastSequence, DEADLINE).toBe(20);
  const answer = await fetch(`${stack.gatewayUrl}/streams/unwanted`, { method: "DELETE" });
  expect(answer.status).toBe(204);
  await ended;
  expect(reader).toMatchObject({ endedWith: "deleted", lastSequence: 21, problems: [] });
  const partition = partitionOf("unwanted", DEFAULT_PARTITIONS);
  const key = chunksKey(partition, "unwanted");
  expect(await redis.run("look", (client) => client.exists(key))).toBe(0);
  const { state } = await link.jetStreamManager.streams.info(CHUNKS_STREAM, {
    subjects_filter: chunkSubject(partition, "unwanted"),
  });
  expect(state.subjects).toEqual({ [chunkSubject(partition, "unwanted")]: 1 });
  const late = await fetch(`${stack.edgeUrl}/streams/unwanted/events`);
  expect(late.status).toBe(410);
  await expect(handle.sendText("more")).rejects.toMatchObject({ code: "STREAM_DELETED" });
});

import { createRedis, type RedisConnection } from "@sluice/cache-redis";
import { connectProducer, type StreamManager } from "@sluice/producer";
import { VerifyingReader } from "@sluice/testing";
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { gaugeOf, startStack, sumOver, type Stack } from "./stack.ts";

const CHUNKS = 54;
const CHUNK_BYTES = 1_000_000;
const READERS = 40;
const PACE_MS = 25;
const ROUND_MS = 5_000;
// Other work on the machine comes and goes: quiet and pressed times take turns, and where they differ by too much they are
// measured for longer. A cause of ours is there in all rounds.
const MIN_ROUNDS = 2;
const MAX_ROUNDS = 6;
// Of what is measured on one machine beside other tests, less than this is the machine's own.
const NOISE_MS = 50;
const OWNED = "sluice_ingest_partitions_owned";

let stack: Stack;
let producer: StreamManager;
let redis: RedisConnection;

beforeAll(async () => {
  stack = await startStack({ ingest: 1, edges: 1 });
  producer = await connectProducer({ servers: stack.natsUrl });
  redis = createRedis(stack.redis.url, { commandTimeoutMs: 30_000 });
  const { handle } = await producer.createStream({ streamId: "heavy" });
  for (let count = 0; count < CHUNKS; count++) await handle.sendText("z".repeat(CHUNK_BYTES));
});

afterAll(async () => {
  await redis.close();
  await producer.close();
  await stack.stop();
});

const edgeGauge = (name: string): Promise<number> =>
  gaugeOf(stack.service("edge-1").url, `sluice_edge_${name}`);

/** What the Redis server's own thread has worked, ms. */
async function workedMs(): Promise<number> {
  const info = await redis.run("look", (client) => client.info("cpu"));
  const seconds = [...info.matchAll(/used_cpu_(?:user|sys)_main_thread:([\d.]+)/g)].map(([, of]) =>
    Number(of),
  );
  return seconds.reduce((sum, each) => sum + each, 0) * 1000;
}

const reads = (): Promise<number> =>
  edgeGauge("cache_hits_total").then(async (hits) => hits + (await edgeGauge("cache_misses_total")));

/** A stream that is written at a steady pace, and the time that each chunk takes to its reader, ms. */
async function startHonestStream(streamId: string) {
  const { handle } = await producer.createStream({ streamId });
  let latencies: number[] = [];
  const reader = new VerifyingReader({
    edgeUrl: () => stack.edgeUrl,
    streamId,
    onChunk: (_sequence, data) => {
      const sentMs = Number((JSON.parse(data) as { chunk_type: { content: string } }).chunk_type.content);
      latencies.push(performance.now() - sentMs);
    },
  });
  const reading = reader.run();
  const over = new AbortController();
  const writing = (async () => {
    while (!over.signal.aborted) {
      await handle.sendText(String(performance.now()));
      await delay(PACE_MS);
    }
  })();
  return {
    reader,
    take: (): number[] => {
      const taken = latencies;
      latencies = [];
      return taken;
    },
    finish: async (): Promise<void> => {
      over.abort();
      await writing;
      reader.stop();
      await reading;
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

function p99(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length * 0.99)] ?? Infinity;
}

test("readers at 40 positions of a stream of 54 MB, that come and go for nothing, keep neither ingest nor an honest reader from anything", async () => {
  const honest = await startHonestStream("honest");
  await expect.poll(() => honest.reader.chunks, { timeout: 20_000 }).toBeGreaterThan(20);
  const partitions = await sumOver(stack, "ingest", OWNED);
  const lost = await sumOver(stack, "ingest", "sluice_ingest_leases_lost_total");
  expect(partitions).toBeGreaterThan(0);
  honest.take();
  const [quiet, pressed]: [number[], number[]] = [[], []];
  let [cost, count] = [0, 0];
  const isWithin = (): boolean => p99(pressed) < Math.max(2 * p99(quiet), NOISE_MS);
  for (let round = 0; round < MIN_ROUNDS || (round < MAX_ROUNDS && !isWithin()); round++) {
    // The same machine, as busy, with nothing of that through our servers: else the test measures who gets a processor.
    const neighbour = fork(new URL("busy-neighbour.ts", import.meta.url));
    await delay(ROUND_MS);
    await end(neighbour);
    quiet.push(...honest.take());
    const [workBefore, readsBefore] = [await workedMs(), await reads()];
    const attack = fork(new URL("heavy-readers.ts", import.meta.url), [
      stack.edgeUrl,
      "heavy",
      String(READERS),
    ]);
    for (let second = 0; second < ROUND_MS / 1_000; second++) {
      await delay(1_000);
      expect(await sumOver(stack, "ingest", OWNED)).toBe(partitions);
      expect(await edgeGauge("read_bytes_in_flight")).toBeLessThanOrEqual(4 * 1024 * 1024);
    }
    await end(attack);
    cost += (await workedMs()) - workBefore;
    count += (await reads()) - readsBefore;
    pressed.push(...honest.take());
    // Nothing of it goes on for those who have left.
    await expect.poll(() => edgeGauge("reads_waiting"), { timeout: 5_000 }).toBe(0);
    await expect.poll(() => edgeGauge("reads_in_flight"), { timeout: 5_000 }).toBe(0);
  }
  await honest.finish();
  expect(honest.reader.problems).toEqual([]);
  expect(honest.reader.connections).toBe(1);
  expect(await sumOver(stack, "ingest", "sluice_ingest_leases_lost_total")).toBe(lost);
  expect(await edgeGauge("reads_dropped_total")).toBeGreaterThan(0);
  expect(count).toBeGreaterThan(READERS);
  // All that Redis did meanwhile, ingest's part included, for each read.
  expect(cost / count).toBeLessThan(20);
  expect(p99(pressed)).toBeLessThan(Math.max(2 * p99(quiet), NOISE_MS));
}, 180_000);

test("40 readers that come to different positions of a large stream at once have all of it, on one connection each", async () => {
  const readers = Array.from({ length: READERS }, (_, reader) => {
    const after = CHUNKS - 1 - (reader % 24);
    return new VerifyingReader({ edgeUrl: () => stack.edgeUrl, streamId: "heavy", after, keepData: false });
  });
  const reading = Promise.all(readers.map((reader) => reader.run()));
  await expect
    .poll(() => Math.min(...readers.map(({ lastSequence }) => lastSequence)), { timeout: 150_000 })
    .toBe(CHUNKS);
  for (const reader of readers) reader.stop();
  await reading;
  expect(readers.flatMap(({ problems }) => problems)).toEqual([]);
  expect(readers.map(({ connections }) => connections)).toEqual(readers.map(() => 1));
}, 180_000);

test("while Redis is paused an edge is not ready, but live, and it is ready again by itself", async () => {
  const env = { edge: { READ_TIMEOUT_MS: "500", READ_STALL_MS: "1000", READ_STUCK_MS: "2000" } };
  await using other = await startStack({ ingest: 1, edges: 1, env });
  const admin = other.service("edge-1").url;
  const statusOf = async (path: string): Promise<number> => (await fetch(admin + path)).status;
  let ids = 0;
  const read = (): Promise<number> =>
    fetch(`${other.edgeUrl}/streams/nobody-${ids++}/chunks`).then(({ status }) => status);
  expect(await read()).toBe(404);
  await other.redis.pause();
  const began = performance.now();
  expect(await read()).toBe(503);
  await expect
    .poll(async () => (await (await fetch(`${admin}/readyz`)).text()).includes("no read"), {
      timeout: 15_000,
    })
    .toBe(true);
  // Long enough for the edge to be taken for stuck, were it by its own reads only.
  while (performance.now() - began < 12_000) {
    expect(await statusOf("/healthz")).toBe(200);
    await delay(250);
  }
  expect(await statusOf("/readyz")).toBe(503);
  await other.redis.resume();
  await expect.poll(() => statusOf("/readyz"), { timeout: 15_000 }).toBe(200);
  await expect.poll(read, { timeout: 15_000 }).toBe(404);
}, 90_000);

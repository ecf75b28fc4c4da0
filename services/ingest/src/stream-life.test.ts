import type { StreamInfo, StreamLog } from "@sluice/core";
import { StreamManager } from "@sluice/producer";
import { createLogger, createRegistry } from "@sluice/runtime";
import {
  MemoryChunkCache,
  MemoryLiveBus,
  MemoryLiveFeed,
  MemoryLog,
  MemoryPartitionLeases,
  MemoryPartitionLog,
  MemoryPressureFeed,
  MemoryReceiptFeed,
  MemoryStreamLog,
} from "@sluice/testing";
import { setImmediate } from "node:timers/promises";
import type { Registry } from "prom-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startIngester, type Ingester } from "./ingester.ts";
import type { IngestSettings } from "./settings.ts";

const PARTITIONS = 1;
const PRODUCER_TIMEOUT_MS = 300;
const BEAT_INTERVAL_MS = 40;
const DEADLINE = { timeout: 5_000 };

const SETTINGS: IngestSettings = {
  maxChunkBytes: 1024,
  chunkTtlSeconds: 300,
  idleLimitMs: 60_000,
  producerTimeoutMs: PRODUCER_TIMEOUT_MS,
  maxStreamChunks: 1_000_000,
  maxStreamBytes: 1e6,
  maxStreamAgeMs: 3_600_000,
  leaseTtlMs: 200,
  leaseRenewMs: 50,
  maxConcurrentRebuilds: 4,
  maxBatchMessages: 16,
  maxPendingMessages: 64,
  maxPendingBytes: 1024 * 1024,
};

let log: MemoryLog;
let streamLog: MemoryStreamLog;
let cache: MemoryChunkCache;
let bus: MemoryLiveBus;
let leases: MemoryPartitionLeases;
let ingesters: Ingester[];
let producers: StreamManager[];

beforeEach(() => {
  log = new MemoryLog({ partitions: PARTITIONS });
  streamLog = new MemoryStreamLog(log);
  cache = new MemoryChunkCache({ partitions: PARTITIONS });
  bus = new MemoryLiveBus();
  leases = new MemoryPartitionLeases({ partitions: PARTITIONS, cache });
  ingesters = [];
  producers = [];
});

afterEach(async () => {
  await Promise.all([...producers, ...ingesters].map((each) => each.close()));
  const leaks = log.openReaders + bus.openSubscriptions;
  if (leaks > 0) throw new Error(`${leaks} readers and subscriptions are left open`);
});

function ingest(
  settings: Partial<IngestSettings> = {},
  parts: { streamLog?: StreamLog; liveFeed?: MemoryLiveFeed } = {},
): { ingester: Ingester; registry: Registry } {
  const registry = createRegistry("ingest");
  const ingester = startIngester({
    log: new MemoryPartitionLog(log),
    streamLog: parts.streamLog ?? streamLog,
    cache,
    leases,
    liveFeed: parts.liveFeed ?? new MemoryLiveFeed(bus),
    pressureFeed: new MemoryPressureFeed(),
    receiptFeed: new MemoryReceiptFeed(),
    settings: { ...SETTINGS, ...settings },
    logger: createLogger("ingest", "silent"),
    registry,
  });
  ingesters.push(ingester);
  return { ingester, registry };
}

/** A producer's process; killed, it falls silent without a word. */
class Producer {
  readonly manager: StreamManager;
  #isKilled = false;

  constructor() {
    const feed = new MemoryLiveFeed(bus);
    const publishBeat = (streamId: string, brokerSequence: number): void => {
      if (!this.#isKilled) feed.publishBeat(streamId, brokerSequence);
    };
    const settings = { beatIntervalMs: BEAT_INTERVAL_MS, publishTimeoutMs: 500, retryDelayMs: 1 };
    this.manager = new StreamManager({ log: streamLog, liveFeed: { publishBeat }, settings });
    producers.push(this.manager);
  }

  kill(): void {
    this.#isKilled = true;
  }
}

/** What the stream's last chunk says, once the stream has ended. */
async function endOf(streamId: string): Promise<{ type: string; code?: string; error?: string } | null> {
  const page = await cache.readPage(streamId, 0, { maxChunks: 10_000, maxBytes: 1e9 });
  if (page === null || !page.hasEnded) return null;
  const json = Buffer.from(page.chunks.at(-1)?.json ?? []).toString();
  return (JSON.parse(json) as { chunk_type: { type: string } }).chunk_type;
}

async function samples(registry: Registry, name: string): Promise<unknown[]> {
  return (await registry.getSingleMetric(`sluice_ingest_${name}`)?.get())?.values ?? [];
}

const NEW_STREAM: StreamInfo = {
  streamId: "s",
  head: { sequence: 0, brokerSequence: 1, status: "open" },
  chunkCount: 0,
  byteCount: 0,
  createdMs: Date.now(),
  updatedMs: Date.now(),
  endedMs: null,
  options: null,
  beatIntervalMs: BEAT_INTERVAL_MS,
};

const lost = { type: "Error", code: "PRODUCER_LOST" };

test("a stream whose producer dies ends as PRODUCER_LOST; one whose producer lives and is silent does not", async () => {
  const { registry } = ingest();
  const [dying, living] = [new Producer(), new Producer()];
  const { handle } = await dying.manager.createStream({ streamId: "dying" });
  await handle.sendText("half an ans");
  await living.manager.createStream({ streamId: "living" });
  dying.kill();
  await expect.poll(() => endOf("dying"), DEADLINE).toMatchObject(lost);
  expect(await cache.readInfo("living")).toMatchObject({ head: { status: "open" } });
  await expect(handle.sendText("wer")).rejects.toMatchObject({ code: "STREAM_ENDED" });
  expect(await samples(registry, "ends_published_total")).toMatchObject([
    { labels: { code: "PRODUCER_LOST" }, value: 1 },
  ]);
});

test("a producer that dies before its first chunk is missed, too", async () => {
  ingest();
  const producer = new Producer();
  await producer.manager.createStream({ streamId: "s" });
  producer.kill();
  await expect.poll(() => endOf("s"), DEADLINE).toMatchObject(lost);
});

test("a successor that opens the stream in time goes on with it, and its own death is noticed though the old one still beats", async () => {
  ingest();
  const [first, second, other] = [new Producer(), new Producer(), new Producer()];
  await first.manager.createStream({ streamId: "s" });
  await other.manager.createStream({ streamId: "other" });
  other.kill();
  const successor = await second.manager.openStream("s");
  await successor.sendText("goes on");
  await expect.poll(() => endOf("other"), DEADLINE).toMatchObject(lost);
  expect(await cache.readInfo("s")).toMatchObject({ head: { status: "open", sequence: 1 } });
  second.kill();
  await expect.poll(() => endOf("s"), DEADLINE).toMatchObject(lost);
});

test("a new owner knows who is to be listened to, and counts silence from its own beginning", async () => {
  const { ingester } = ingest();
  const [dying, living] = [new Producer(), new Producer()];
  await dying.manager.createStream({ streamId: "dying" });
  await living.manager.createStream({ streamId: "living" });
  await expect
    .poll(() => cache.readInfo("living"), DEADLINE)
    .toMatchObject({ beatIntervalMs: BEAT_INTERVAL_MS });
  await ingester.close();
  dying.kill();
  const takenOverMs = performance.now();
  ingest();
  await expect.poll(() => endOf("dying"), { ...DEADLINE, interval: 5 }).toMatchObject(lost);
  expect(performance.now() - takenOverMs).toBeGreaterThanOrEqual(PRODUCER_TIMEOUT_MS);
  expect(await cache.readInfo("living")).toMatchObject({ head: { status: "open" } });
});

test("two owners that don't know of each other end a stream once", async () => {
  ingest();
  const second = new MemoryPartitionLeases({ partitions: PARTITIONS, cache });
  leases = second;
  ingest();
  const producer = new Producer();
  await producer.manager.createStream({ streamId: "s" });
  producer.kill();
  await expect.poll(() => endOf("s"), DEADLINE).toMatchObject(lost);
  // Once both have had another full silence to make it two.
  const later = new Producer();
  await later.manager.createStream({ streamId: "later" });
  later.kill();
  await expect.poll(() => endOf("later"), DEADLINE).toMatchObject(lost);
  expect(log.messages.filter((message) => message.streamId === "s")).toHaveLength(2);
});

test("a handle that closes leaves the stream open: it has told the log that it beats no more", async () => {
  ingest();
  const [leaving, dying] = [new Producer(), new Producer()];
  const { handle } = await leaving.manager.createStream({ streamId: "left" });
  await handle.sendText("a");
  await handle.close();
  await dying.manager.createStream({ streamId: "dying" });
  dying.kill();
  await expect.poll(() => endOf("dying"), DEADLINE).toMatchObject(lost);
  expect(await cache.readInfo("left")).toMatchObject({ head: { status: "open" }, beatIntervalMs: null });
  await (await leaving.manager.openStream("left")).sendComplete();
  await expect.poll(() => endOf("left"), DEADLINE).toMatchObject({ type: "Complete" });
});

test("an owner without a connection takes its own deafness for nobody's death", async () => {
  const liveFeed = new MemoryLiveFeed(bus);
  ingest({}, { liveFeed });
  const [deafTo, bare] = [new Producer(), "bare"];
  await deafTo.manager.createStream({ streamId: "s" });
  await expect.poll(() => cache.readInfo("s"), DEADLINE).not.toBeNull();
  liveFeed.disconnect();
  const deafSinceMs = performance.now();
  await expect.poll(() => performance.now() - deafSinceMs, DEADLINE).toBeGreaterThan(3 * PRODUCER_TIMEOUT_MS);
  liveFeed.reconnect();
  const dying = new Producer();
  await dying.manager.createStream({ streamId: bare });
  dying.kill();
  await expect.poll(() => endOf(bare), DEADLINE).toMatchObject(lost);
  expect(await cache.readInfo("s")).toMatchObject({ head: { status: "open" } });
});

test("a stream that nobody writes ends after the idle limit, also one whose producer beats or whose record is lost", async () => {
  ingest({ idleLimitMs: 400 });
  log.publishBare("bare", Buffer.from('{"type":"Text","content":"a"}'));
  log.publishBare("lost", Buffer.from('{"type":"Text","content":"a"}'));
  await new Producer().manager.createStream({ streamId: "beating" });
  await expect.poll(() => cache.readInfo("lost"), DEADLINE).not.toBeNull();
  cache.dropMeta("lost");
  for (const streamId of ["bare", "beating", "lost"]) {
    await expect.poll(() => endOf(streamId), DEADLINE).toMatchObject({ type: "Error", code: "IDLE_TIMEOUT" });
  }
  await expect.poll(() => cache.readOpenStreams(0, null, 10)).toEqual([]);
});

test("a producer that dies as the cache is flushed is missed all the same: by the owner that goes on, and by the next one", async () => {
  // Reading on from now alone would not find them: they are older than anything that may still be in the cache.
  const settings = { chunkTtlSeconds: 0.05 };
  const { ingester } = ingest(settings);
  const [first, second] = [new Producer(), new Producer()];
  await first.manager.createStream({ streamId: "first" });
  await second.manager.createStream({ streamId: "second" });
  await expect.poll(() => cache.readInfo("second"), DEADLINE).not.toBeNull();
  const last = log.messages.at(-1)?.timestampMs ?? 0;
  await expect.poll(() => Date.now() - last, DEADLINE).toBeGreaterThan(100);
  first.kill();
  cache.flush();
  await expect.poll(() => endOf("first"), DEADLINE).toMatchObject(lost);

  await ingester.close();
  second.kill();
  cache.flush();
  ingest(settings);
  await expect.poll(() => endOf("second"), DEADLINE).toMatchObject(lost);
});

test("a cache that was flushed lists the streams again that are open and silent, and no other", async () => {
  const end = Buffer.from('{"type":"Complete"}');
  const text = Buffer.from('{"type":"Text","content":"a"}');
  for (const streamId of ["open", "ended", "malformed end"]) log.publishBare(streamId, text);
  log.publishBare("ended", end);
  log.publishBare("malformed end", Buffer.from('{"type":"Complete","other":1}'));
  const { timestampMs } = log.messages[0]!;
  await expect.poll(() => Date.now() - log.messages.at(-1)!.timestampMs, DEADLINE).toBeGreaterThan(100);
  ingest({ chunkTtlSeconds: 0.05 });
  await expect.poll(() => cache.readCheckpoint(0), DEADLINE).not.toBeNull();
  expect(await cache.readOpenStreams(0, null, 10)).toEqual([{ streamId: "open", updatedMs: timestampMs }]);
});

test("a chunk in flight wins over the end", async () => {
  // Its messages come first: what a producer publishes in the very moment in which its stream is to be ended.
  const racing = new MemoryStreamLog(log);
  const append = racing.append.bind(racing);
  racing.append = (message) => {
    if (raced++ < 3) log.publishBare("s", Buffer.from('{"type":"Text","content":"first"}'));
    return append(message);
  };
  let raced = 0;
  ingest({ idleLimitMs: 300 }, { streamLog: racing });
  log.publishBare("s", Buffer.from('{"type":"Text","content":"a"}'));
  await expect.poll(() => endOf("s"), DEADLINE).toMatchObject({ code: "IDLE_TIMEOUT" });
  expect(await cache.readInfo("s")).toMatchObject({ head: { sequence: 5 }, chunkCount: 5 });
});

test("a stream whose messages have been purged from the log can still be ended", async () => {
  ingest({ idleLimitMs: 300 });
  log.publishBare("s", Buffer.from('[{"type":"Text","content":"a"},{"type":"Text","content":"b"}]'));
  await expect.poll(() => cache.readInfo("s"), DEADLINE).toMatchObject({ head: { sequence: 2 } });
  log.purgeBefore("s", Infinity);
  await expect.poll(() => endOf("s"), DEADLINE).toMatchObject({ code: "IDLE_TIMEOUT" });
  expect(await cache.readInfo("s")).toMatchObject({ head: { sequence: 3 } });
  expect(log.lastOf("s")).toMatchObject({ producerSequence: 3 });
});

test.each([
  ["chunks", { maxStreamChunks: 20 }, "A stream may have at most 20 chunks."],
  ["bytes", { maxStreamBytes: 2_000 }, "A stream may have at most 2000 bytes."],
  ["age", { maxStreamAgeMs: 200 }, "A stream may be at most 0.2 seconds old."],
] as const)(
  "a stream past its limit of %s ends, though its producer never pauses",
  async (_, settings, error) => {
    ingest(settings);
    const { handle } = await new Producer().manager.createStream({ streamId: "s" });
    const sendOn = async (): Promise<void> => {
      for (;;) {
        await handle.sendText("on and on");
        // The memory log answers within the turn; a real one lets others have theirs.
        await setImmediate();
      }
    };
    await expect(sendOn()).rejects.toMatchObject({ code: "STREAM_ENDED" });
    await expect
      .poll(() => endOf("s"), DEADLINE)
      .toMatchObject({ type: "Error", code: "STREAM_LIMIT", error });
    const info = (await cache.readInfo("s")) as StreamInfo;
    expect(info.chunkCount).toBe(info.head.sequence);
  },
);

test("a stream past its limit that is written without expectations ends, too, once", async () => {
  ingest({ maxStreamChunks: 5 });
  const text = Buffer.from('{"type":"Text","content":"a"}');
  for (let index = 0; index < 40; index++) log.publishBare("s", text);
  await expect.poll(() => endOf("s"), DEADLINE).toMatchObject({ code: "STREAM_LIMIT" });
  const errors = log.messages.filter((message) => Buffer.from(message.payload).includes("STREAM_LIMIT"));
  expect(errors).toHaveLength(1);
});

test("a producer is listened to also where the owner hears of its stream only after somebody else wrote it down", async () => {
  const producer = new Producer();
  await producer.manager.createStream({ streamId: "s" });
  const [message] = log.messages;
  await cache.restore({
    partition: 0,
    streamId: "s",
    chunkTtlSeconds: 60,
    chunks: [],
    completion: {
      info: { ...NEW_STREAM, head: { ...NEW_STREAM.head, brokerSequence: message!.brokerSequence } },
      snapshotBrokerSequence: message!.brokerSequence,
      isProven: true,
    },
  });
  ingest();
  producer.kill();
  await expect.poll(() => endOf("s"), DEADLINE).toMatchObject(lost);
});

test("what was taken in, skipped and ended is counted, and the lag of each owned partition told", async () => {
  const { registry } = ingest();
  const { handle } = await new Producer().manager.createStream({ streamId: "s" });
  await handle.sendComplete();
  await expect.poll(() => endOf("s"), DEADLINE).not.toBeNull();
  const bytes = log.messages.reduce((sum, message) => sum + message.payload.byteLength, 0);
  await expect.poll(() => samples(registry, "bytes_total")).toMatchObject([{ value: bytes }]);
  expect(await samples(registry, "ends_total")).toMatchObject([
    { labels: { status: "completed" }, value: 1 },
  ]);
  for (const name of ["partition_lag_messages", "partition_lag_seconds"]) {
    expect(await samples(registry, name)).toMatchObject([{ labels: { partition: 0 }, value: 0 }]);
  }
});

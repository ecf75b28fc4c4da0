import {
  partitionOf,
  StreamError,
  type AppendBatch,
  type AppendOutcome,
  type ConsumeBounds,
  type PartitionReader,
  type Receipt,
} from "@sluice/core";
import { createLogger, createRegistry, defaultSettings } from "@sluice/runtime";
import {
  MemoryCancelFeed,
  MemoryChunkCache,
  MemoryLiveBus,
  MemoryLiveFeed,
  MemoryLog,
  MemoryPartitionLog,
  MemoryReaderPresence,
  MemoryReceiptFeed,
  MemoryStreamLog,
} from "@sluice/memory";
import { expect, test } from "vitest";
import { ingestConfigSchema } from "../config.ts";
import { createIngestMetrics } from "../metrics.ts";
import { PartitionOwner } from "./partition-owner.ts";
import { lookAtLog } from "./resume-position.ts";
import { RebuildGate } from "../rebuild/rebuild-gate.ts";
import { SharedCall } from "./shared-call.ts";
import { StreamEnder } from "../endings/stream-ender.ts";

const SETTINGS = {
  ...defaultSettings(ingestConfigSchema),
  maxChunkBytes: 1024,
  idleLimitSeconds: 60,
  producerTimeoutMs: 15_000,
  cancelGraceMs: 400,
  maxStreamBytes: 1e9,
  leaseTtlMs: 400,
  leaseRenewMs: 100,
  maxBatchMessages: 16,
  maxPendingMessages: 64,
  maxPendingBytes: 1024 * 1024,
};

function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

function createOwner(
  bus: MemoryLiveBus,
  log: MemoryPartitionLog,
  cache: MemoryChunkCache,
  rebuilds = new RebuildGate(4),
  receiptFeed = new MemoryReceiptFeed(),
): { owner: PartitionOwner; liveFeed: MemoryLiveFeed } {
  const liveFeed = new MemoryLiveFeed(bus);
  const metrics = createIngestMetrics(createRegistry("ingest"));
  const logger = createLogger("ingest", "silent");
  const streamLog = new MemoryStreamLog(log.log);
  const owner = new PartitionOwner(0, {
    log,
    streamLog,
    cache,
    liveFeed,
    cancelFeed: new MemoryCancelFeed(),
    readerPresence: new MemoryReaderPresence(),
    logState: new SharedCall(() => lookAtLog(log, cache)),
    receiptFeed,
    rebuilds,
    settings: SETTINGS,
    ender: new StreamEnder({ log: streamLog, cache, metrics, logger }),
    metrics,
    logger,
  });
  return { owner, liveFeed };
}

test("an owner that is dropped before it knows where to read answers for the partition no more", async () => {
  const asked = gate();
  const answer = gate();
  class SlowCache extends MemoryChunkCache {
    override async readCheckpoint(partition: number) {
      asked.open();
      await answer.opened;
      return super.readCheckpoint(partition);
    }
  }
  const bus = new MemoryLiveBus();
  const log = new MemoryPartitionLog(new MemoryLog({ partitions: 1 }));
  const { owner } = createOwner(bus, log, new SlowCache({ partitions: 1 }));
  owner.start();
  await asked.opened;
  const closed = owner.close();
  answer.open();
  await closed;
  expect(bus.openSubscriptions).toBe(0);
});

test("a log that was replaced while the read of it was being opened is noticed, too", async () => {
  const memoryLog = new MemoryLog({ partitions: 1 });
  const opening = gate();
  const go = gate();
  class SlowLog extends MemoryPartitionLog {
    override async read(partition: number, after: number, bounds: ConsumeBounds): Promise<PartitionReader> {
      opening.open();
      await go.opened;
      return super.read(partition, after, bounds);
    }
  }
  const cache = new MemoryChunkCache({ partitions: 1 });
  const { owner, liveFeed } = createOwner(new MemoryLiveBus(), new SlowLog(memoryLog), cache);
  const { brokerSequence, timestampMs } = memoryLog.publishBare(
    "s",
    Buffer.from('{"type":"Text","content":"a"}'),
  );
  await cache.seedCheckpoint(0, { brokerSequence, timestampMs, logCreatedMs: memoryLog.createdMs });
  owner.start();
  await opening.opened;
  memoryLog.rollBackTo(brokerSequence - 1);
  liveFeed.reconnect();
  go.open();
  await expect.poll(() => memoryLog.divergences.map(({ after }) => after)).toEqual([brokerSequence - 1]);
  await owner.close();
});

test("a message that left the log while it waited for the cache holds nothing up, though nothing tells its number", async () => {
  const memoryLog = new MemoryLog({ partitions: 1 });
  class CacheAfterOutage extends MemoryChunkCache {
    override async append(batch: AppendBatch): Promise<AppendOutcome> {
      memoryLog.ageOutBefore(aged.brokerSequence + 1);
      // A turn of the event loop, as every real answer takes.
      await new Promise((resolve) => setImmediate(resolve));
      return super.append(batch);
    }
  }
  const aged = memoryLog.publishBare("aged", Buffer.from('{"type":"Text","content":"a"}'));
  const cache = new CacheAfterOutage({ partitions: 1 });
  const { owner } = createOwner(new MemoryLiveBus(), new MemoryPartitionLog(memoryLog), cache);
  owner.start();
  memoryLog.append({
    streamId: "next",
    payload: Buffer.from('{"type":"Text","content":"b"}'),
    messageId: "m:1",
    expectedLastSequence: 0,
    producerSequence: 1,
  });
  await expect.poll(() => cache.readInfo("next")).toMatchObject({ head: { sequence: 1 } });
  await owner.close();
});

test("ids that nobody knows don't wait behind rebuilds: they are answered though every place is taken", async () => {
  const bus = new MemoryLiveBus();
  const cache = new MemoryChunkCache({ partitions: 1 });
  const log = new MemoryPartitionLog(new MemoryLog({ partitions: 1 }));
  const rebuilds = new RebuildGate(1);
  const busy = gate();
  const held = rebuilds.run("busy", async () => {
    await busy.opened;
    return { kind: "unknown" };
  });
  const { owner, liveFeed } = createOwner(bus, log, cache, rebuilds);
  owner.start();
  await expect.poll(() => liveFeed.requestRebuild(0, "nobody", 50)).toEqual({ kind: "unknown" });
  busy.open();
  await held;
  await owner.close();
});

test("a message that asks for a receipt gets one once the cache holds it, though the cache's answer was lost", async () => {
  const memoryLog = new MemoryLog({ partitions: 1 });
  const answers: AppendOutcome["kind"][] = [];
  class ForgetfulCache extends MemoryChunkCache {
    override async append(batch: AppendBatch): Promise<AppendOutcome> {
      const outcome = await super.append(batch);
      if (answers.push(outcome.kind) === 1) throw new StreamError("CACHE_UNAVAILABLE", "the answer got lost");
      return outcome;
    }
  }
  const cache = new ForgetfulCache({ partitions: 1 });
  const receiptFeed = new MemoryReceiptFeed();
  const told: [number, Receipt, number | undefined][] = [];
  const inbox = receiptFeed.openInbox((number, receipt) => {
    void cache.readInfo("s").then((info) => told.push([number, receipt, info?.head.sequence]));
  });
  const { owner } = createOwner(
    new MemoryLiveBus(),
    new MemoryPartitionLog(memoryLog),
    cache,
    new RebuildGate(4),
    receiptFeed,
  );
  const publish = (
    texts: string[],
    expectedLastSequence: number,
    producerSequence: number,
    number?: number,
  ) =>
    memoryLog.append({
      streamId: "s",
      payload: Buffer.from(JSON.stringify(texts.map((content) => ({ type: "Text", content })))),
      messageId: `m:${producerSequence}`,
      expectedLastSequence,
      producerSequence,
      ...(number === undefined ? {} : { receiptTo: inbox.addressOf(number) }),
    })?.brokerSequence ?? 0;
  const first = publish(["a", "b"], 0, 1);
  const second = publish(["c", "d"], first, 3, 7);
  owner.start();
  await expect.poll(() => told.length).toBe(1);
  const third = publish(["e"], second, 5, 8);
  await expect.poll(() => told.length).toBe(2);
  expect(told).toEqual([
    [7, { brokerSequence: second, first: 3, count: 2 }, 4],
    [8, { brokerSequence: third, first: 5, count: 1 }, 5],
  ]);
  expect(answers.slice(0, 2)).toEqual(["applied", "applied"]);
  await owner.close();
  inbox.close();
});

test("the owner tells where a stream stands, to whoever misses a receipt", async () => {
  const memoryLog = new MemoryLog({ partitions: 1 });
  const receiptFeed = new MemoryReceiptFeed();
  const { owner } = createOwner(
    new MemoryLiveBus(),
    new MemoryPartitionLog(memoryLog),
    new MemoryChunkCache({ partitions: 1 }),
    new RebuildGate(4),
    receiptFeed,
  );
  owner.start();
  const { brokerSequence } = memoryLog.publishBare("s", Buffer.from('{"type":"Text","content":"a"}'));
  await expect
    .poll(() => receiptFeed.askHead(0, "s", 1_000))
    .toEqual({ sequence: 1, brokerSequence, status: "open" });
  expect(await receiptFeed.askHead(0, "nobody", 1_000)).toBeNull();
  await owner.close();
  expect(receiptFeed.openSubscriptions).toBe(0);
});

/** Ids of each of two partitions. */
const OURS = "s2";
const FOREIGN = "s1";

test("requests about streams of another partition, or about what is no id, touch neither log nor cache", async () => {
  expect([OURS, FOREIGN].map((id) => partitionOf(id, 2))).toEqual([0, 1]);
  const memoryLog = new MemoryLog({ partitions: 2 });
  const cache = new MemoryChunkCache({ partitions: 2 });
  const receiptFeed = new MemoryReceiptFeed();
  const { owner, liveFeed } = createOwner(
    new MemoryLiveBus(),
    new MemoryPartitionLog(memoryLog),
    cache,
    new RebuildGate(4),
    receiptFeed,
  );
  memoryLog.publishBare(FOREIGN, Buffer.from('{"type":"Text","content":"a"}'));
  owner.start();
  await expect.poll(() => liveFeed.requestRebuild(0, OURS, 50)).toEqual({ kind: "unknown" });
  for (const id of [FOREIGN, 'a"b', "{p0}", "a".repeat(129)]) {
    expect(await liveFeed.requestRebuild(0, id, 1_000)).toBeNull();
    expect(await receiptFeed.askHead(0, id, 1_000)).toBeNull();
    owner.hearBeat(id, 1);
  }
  expect(await cache.readInfo(FOREIGN)).toBeNull();
  await owner.close();
});

test("messages under a name that is no stream's are dropped, and those beside them are not", async () => {
  const memoryLog = new MemoryLog({ partitions: 1 });
  const cache = new MemoryChunkCache({ partitions: 1 });
  const { owner } = createOwner(new MemoryLiveBus(), new MemoryPartitionLog(memoryLog), cache);
  const chunk = Buffer.from('{"type":"Text","content":"a"}');
  for (const id of ['a"b', "s", "{p0}", "ä", "s"]) memoryLog.publishBare(id, chunk);
  owner.start();
  await expect.poll(() => cache.readInfo("s")).toMatchObject({ head: { sequence: 2 } });
  expect(await cache.readOpenStreams(0, null, 10)).toMatchObject([{ streamId: "s" }]);
  expect(await cache.readInfo('a"b')).toBeNull();
  await owner.close();
});

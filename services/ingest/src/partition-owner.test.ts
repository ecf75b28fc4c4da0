import type { AppendBatch, AppendOutcome, ConsumeBounds, PartitionReader } from "@sluice/core";
import { createLogger, createRegistry } from "@sluice/runtime";
import {
  MemoryChunkCache,
  MemoryLiveBus,
  MemoryLiveFeed,
  MemoryLog,
  MemoryPartitionLog,
  MemoryStreamLog,
} from "@sluice/testing";
import { expect, test } from "vitest";
import { createIngestMetrics } from "./metrics.ts";
import { PartitionOwner } from "./partition-owner.ts";
import { lookAtLog } from "./position.ts";
import { RebuildGate } from "./rebuild-gate.ts";
import { SharedLook } from "./shared-look.ts";
import { StreamEnder } from "./stream-ender.ts";

const SETTINGS = {
  maxChunkBytes: 1024,
  chunkTtlSeconds: 300,
  idleLimitMs: 60_000,
  producerTimeoutMs: 15_000,
  maxStreamChunks: 1_000_000,
  maxStreamBytes: 1e9,
  maxStreamAgeMs: 3_600_000,
  leaseTtlMs: 400,
  leaseRenewMs: 100,
  maxConcurrentRebuilds: 4,
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
    standing: new SharedLook(() => lookAtLog(log, cache)),
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

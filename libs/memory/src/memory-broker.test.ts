import assert from "node:assert/strict";
import { afterAll, expect, it } from "vitest";
import {
  cancelFeedContract,
  liveFeedContract,
  freshStreamId,
  outgoing,
  type LogUnderTest,
  partitionLogContract,
  pressureFeedContract,
  promptQueueContract,
  receiptFeedContract,
  readerPresenceContract,
  rejectedElementsContract,
  streamLogContract,
} from "@sluice/testing";
import { MemoryCancelFeed } from "./memory-cancel-feed.ts";
import { MemoryLiveBus, MemoryLiveFeed } from "./memory-live-feed.ts";
import { MemoryLog } from "./memory-log.ts";
import { MemoryPartitionLog } from "./memory-partition-log.ts";
import { MemoryPressureFeed } from "./memory-pressure-feed.ts";
import { MemoryPromptQueue } from "./memory-prompt-queue.ts";
import { MemoryReceiptFeed } from "./memory-receipt-feed.ts";
import { MemoryReaderPresence } from "./memory-reader-presence.ts";
import { MemoryRejectedElements } from "./memory-rejected-elements.ts";
import { MemoryStreamLog } from "./memory-stream-log.ts";

async function openMemoryLog(): Promise<LogUnderTest> {
  const log = new MemoryLog();
  return {
    streamLog: new MemoryStreamLog(log),
    partitionLog: new MemoryPartitionLog(log),
    publishBare: async (streamId, payload) => void log.publishBare(streamId, payload),
    close: async () => assert.equal(log.openReaders, 0, "readers left open"),
  };
}

streamLogContract("MemoryStreamLog", openMemoryLog);
partitionLogContract("MemoryPartitionLog", openMemoryLog);
rejectedElementsContract("MemoryRejectedElements", async () => {
  const log = new MemoryPartitionLog(new MemoryLog());
  return { log, rejected: new MemoryRejectedElements(log), close: async () => {} };
});

liveFeedContract("MemoryLiveFeed", async () => {
  const bus = new MemoryLiveBus();
  const [owner, edge] = [new MemoryLiveFeed(bus), new MemoryLiveFeed(bus)];
  return {
    owner,
    edge,
    reconnectEdge: async () => {
      edge.disconnect();
      edge.reconnect();
    },
    close: async () => assert.equal(bus.openSubscriptions, 0, "subscriptions left open"),
  };
});

promptQueueContract("MemoryPromptQueue", async () => {
  const desk = new MemoryPromptQueue();
  return {
    asker: desk,
    worker: desk,
    settle: async () => undefined,
    close: async () => assert.equal(desk.openWorkers, 0, "workers left open"),
  };
});

cancelFeedContract("MemoryCancelFeed", async () => {
  const feed = new MemoryCancelFeed();
  return {
    reader: feed,
    owner: feed,
    producer: feed,
    settle: async () => undefined,
    cutOwnerOff: async () => void (feed.isConnected = false),
    close: async () => assert.equal(feed.openSubscriptions, 0, "subscriptions left open"),
  };
});

pressureFeedContract("MemoryPressureFeed", async () => {
  const feed = new MemoryPressureFeed();
  return {
    owner: feed,
    producer: feed,
    settle: async () => undefined,
    close: async () => assert.equal(feed.openSubscriptions, 0, "subscriptions left open"),
  };
});

receiptFeedContract("MemoryReceiptFeed", async () => {
  const feed = new MemoryReceiptFeed();
  return {
    owner: feed,
    producer: feed,
    settle: async () => undefined,
    close: async () => assert.equal(feed.openSubscriptions, 0, "subscriptions left open"),
  };
});

readerPresenceContract("MemoryReaderPresence", async () => {
  const census = new MemoryReaderPresence();
  return {
    asker: census,
    pods: [census, census],
    settle: async () => undefined,
    close: async () => assert.equal(census.openPods, 0, "pods left open"),
  };
});

const bus = new MemoryLiveBus();
afterAll(() => assert.equal(bus.openSubscriptions, 0, "subscriptions left open"));

it("loses live messages at the rate that was asked for", async () => {
  const feed = new MemoryLiveFeed(bus);
  let drawn = 0;
  bus.dropRate = 0.5;
  bus.random = () => (drawn++ % 2 === 0 ? 0.1 : 0.9);
  const got: number[] = [];
  const subscription = feed.subscribeRanges("s", (range) => got.push(range.first));
  for (const first of [1, 2, 3, 4])
    feed.publishRange("s", { first, last: first, isTerminal: false, frames: null });
  await expect.poll(() => got).toEqual([2, 4]);
  subscription.close();
});

it("answers a lost message and a lost acknowledgement alike, and stores only the latter", async () => {
  const log = new MemoryLog();
  const streamLog = new MemoryStreamLog(log);
  const streamId = freshStreamId();
  streamLog.loseMessages(1);
  expect(await streamLog.append(outgoing({ streamId, expectedLastSequence: 0 }))).toMatchObject({
    kind: "unknown",
  });
  expect(await streamLog.lastMessage(streamId)).toBeNull();
  streamLog.loseAcks(1);
  expect(await streamLog.append(outgoing({ streamId, expectedLastSequence: 0 }))).toMatchObject({
    kind: "unknown",
  });
  expect(await streamLog.lastMessage(streamId)).not.toBeNull();
});

it("refuses when it is full or cut off, and readers go on when it is back", async () => {
  const log = new MemoryLog({ partitions: 1 });
  const streamLog = new MemoryStreamLog(log);
  const message = outgoing({ streamId: freshStreamId(), expectedLastSequence: 0 });
  log.isFull = true;
  await expect(streamLog.append(message)).rejects.toMatchObject({ code: "LOG_FULL" });
  log.isFull = false;
  const bounds = { maxPendingMessages: 10, maxPendingBytes: 1_000 };
  const reader = await new MemoryPartitionLog(log).read(0, 0, bounds);
  const reading = reader.next(1);
  log.setReachable(false);
  await expect(streamLog.append(message)).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
  log.publishBare("s", new Uint8Array([1]));
  log.setReachable(true);
  expect(await reading).toHaveLength(1);
  await reader.close();
});

it("reuses positions after a roll-back, starts above them when made anew, and forgets what aged out", async () => {
  const log = new MemoryLog();
  const positions = [1, 2, 3].map((byte) => log.publishBare("s", new Uint8Array([byte])).brokerSequence);
  log.rollBackTo(positions[1]!);
  expect(log.publishBare("s", new Uint8Array([4])).brokerSequence).toBe(positions[2]);
  log.ageOutBefore(positions[1]!);
  const facts = await new MemoryPartitionLog(log).facts();
  expect(facts).toMatchObject({ firstSequence: positions[1], lastSequence: positions[2] });
  log.recreate();
  expect(log.createdMs).toBeGreaterThan(facts.createdMs);
  expect(log.firstSequence).toBeGreaterThan(facts.lastSequence);
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { partitionOf, type OutgoingMessage, type PartitionReader, type StoredMessage } from "@sluice/core";
import { CHUNKS_STREAM } from "@sluice/protocol";
import { startNats, startNatsCluster, freshStreamId, outgoing } from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { ensureLog, type LogIdentity } from "./log-setup.ts";
import { connectNats, type NatsLink } from "./nats-connection.ts";
import { NatsPartitionLog } from "./nats-partition-log.ts";
import { NatsStreamLog } from "./nats-stream-log.ts";

const PARTITIONS = 16;
const BOUNDS = { maxPendingMessages: 64, maxPendingBytes: 1 };
const OPTIONS = {
  partitions: PARTITIONS,
  replicas: 1,
  maxAgeMs: 3_600_000,
  maxBytes: 256 * 1024 * 1024,
  minRetentionMs: 300_000,
};
const CAUGHT_UP = { timeout: 30_000, interval: 20 };

/** Reads a partition until closed; what it got is compared with what was stored. */
class Collector {
  readonly got: number[] = [];
  readonly done: Promise<void>;
  readonly #reader: PartitionReader;

  constructor(reader: PartitionReader) {
    this.#reader = reader;
    this.done = this.#collect();
  }

  async close(): Promise<void> {
    await this.#reader.close();
    await this.done;
  }

  async #collect(): Promise<void> {
    for (;;) {
      const batch = await this.#reader.next(50);
      if (batch === null) return;
      this.got.push(...batch.map((message: StoredMessage) => message.brokerSequence));
    }
  }
}

/** Publishes to many streams by the producer's protocol, in rounds, until told to stop; remembers what was stored. */
class Publisher {
  readonly stored = new Map<number, number[]>();
  count = 0;
  #isStopped = false;
  readonly #log: NatsStreamLog;
  readonly #done: Promise<unknown>;

  constructor(log: NatsStreamLog, streams: number) {
    this.#log = log;
    this.#done = Promise.all(Array.from({ length: streams }, () => this.#publish(freshStreamId())));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #publish(streamId: string): Promise<void> {
    const partition = partitionOf(streamId, this.#log.partitions);
    let last = 0;
    for (let n = 1; !this.#isStopped; n++) {
      const message = outgoing({ streamId, expectedLastSequence: last, messageId: `${streamId}:${n}` });
      last = await this.#store(message);
      const positions = this.stored.get(partition) ?? [];
      this.stored.set(partition, positions);
      positions.push(last);
      this.count += 1;
    }
  }

  /** Appends until the message is known to be stored: after each doubtful answer the log says whether it was. */
  async #store(message: OutgoingMessage & { expectedLastSequence: number }): Promise<number> {
    for (;;) {
      try {
        const outcome = await this.#log.append(message);
        if (outcome.kind === "stored") return outcome.brokerSequence;
        const found = await this.#log.firstAfter(message.streamId, message.expectedLastSequence);
        if (found?.messageId === message.messageId) return found.brokerSequence;
        if (found !== null) throw new Error("fenced by nobody");
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "LOG_UNAVAILABLE")) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}

async function expectAllCaughtUp(collectors: readonly Collector[], publisher: Publisher): Promise<void> {
  for (const [partition, collector] of collectors.entries()) {
    const stored = (publisher.stored.get(partition) ?? []).toSorted((a, b) => a - b);
    await expect.poll(() => collector.got.length, CAUGHT_UP).toBeGreaterThanOrEqual(stored.length);
    expect(collector.got).toEqual(stored);
  }
}

async function openCollectors(log: NatsPartitionLog): Promise<Collector[]> {
  const { lastSequence } = await log.facts();
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  const readers = await Promise.all(partitions.map((partition) => log.read(partition, lastSequence, BOUNDS)));
  return readers.map((reader) => new Collector(reader));
}

describe("partition readers on one server", () => {
  let server: ServerHandle;
  let link: NatsLink;
  let log: LogIdentity;

  beforeAll(async () => {
    server = await startNats({ local: true, syncInterval: "always" });
    link = await connectNats({ servers: server.url, name: "readers" });
    log = await ensureLog(link, OPTIONS);
  });
  afterAll(async () => {
    await link.close();
    await server.stop();
  });

  it("catch up within seconds after the server was killed, without a hole and without a double", async () => {
    const collectors = await openCollectors(new NatsPartitionLog(link, log));
    const publisher = new Publisher(new NatsStreamLog(link, log), 40);
    for (let round = 1; round <= 3; round++) {
      const before = publisher.count;
      await expect.poll(() => publisher.count, CAUGHT_UP).toBeGreaterThan(before + 500);
      await server.kill();
      await server.restart();
    }
    const before = publisher.count;
    await expect.poll(() => publisher.count, CAUGHT_UP).toBeGreaterThan(before + 500);
    await publisher.stop();
    const stoppedAt = performance.now();
    await expectAllCaughtUp(collectors, publisher);
    expect(performance.now() - stoppedAt).toBeLessThan(10_000);
    await Promise.all(collectors.map((collector) => collector.close()));
  });

  it("go on after the server hung for longer than they wait", async () => {
    const collectors = await openCollectors(new NatsPartitionLog(link, log));
    const publisher = new Publisher(new NatsStreamLog(link, log), 20);
    await expect.poll(() => publisher.count, CAUGHT_UP).toBeGreaterThan(200);
    await server.pause();
    await expect.poll(() => link.isConnected, CAUGHT_UP).toBe(false);
    await server.resume();
    const before = publisher.count;
    await expect.poll(() => publisher.count, CAUGHT_UP).toBeGreaterThan(before + 200);
    await publisher.stop();
    await expectAllCaughtUp(collectors, publisher);
    await Promise.all(collectors.map((collector) => collector.close()));
  });

  it("go on after their consumers were deleted", async () => {
    const collectors = await openCollectors(new NatsPartitionLog(link, log));
    const publisher = new Publisher(new NatsStreamLog(link, log), 20);
    const { consumers } = link.jetStreamManager;
    for (let round = 0; round < 3; round++) {
      const before = publisher.count;
      await expect.poll(() => publisher.count, CAUGHT_UP).toBeGreaterThan(before + 100);
      const found = await consumers.list(CHUNKS_STREAM).next();
      expect(found.length).toBeGreaterThan(0);
      await Promise.all(found.map((info) => consumers.delete(CHUNKS_STREAM, info.name).catch(() => false)));
    }
    await publisher.stop();
    await expectAllCaughtUp(collectors, publisher);
    await Promise.all(collectors.map((collector) => collector.close()));
  });

  it("leave no consumer behind when they are closed", async () => {
    const collectors = await openCollectors(new NatsPartitionLog(link, log));
    const { consumers } = link.jetStreamManager;
    expect(await consumers.list(CHUNKS_STREAM).next()).toHaveLength(PARTITIONS);
    await Promise.all(collectors.map((collector) => collector.close()));
    expect(await consumers.list(CHUNKS_STREAM).next()).toHaveLength(0);
  });

  it("wait, and hand out nothing at or before their start, where the log was made anew below it", async () => {
    const partitionLog = new NatsPartitionLog(link, log);
    const streamLog = new NatsStreamLog(link, log);
    const { lastSequence } = await partitionLog.facts();
    const reader = await partitionLog.read(0, lastSequence + 3, BOUNDS);
    const waiting = reader.next(10);
    const positions: number[] = [];
    for (let index = 0; index < 5; index++) {
      const streamId = freshStreamId({ partition: 0, partitions: PARTITIONS });
      const outcome = await streamLog.append(outgoing({ streamId, expectedLastSequence: 0 }));
      if (outcome.kind === "stored") positions.push(outcome.brokerSequence);
    }
    expect((await waiting)?.[0]?.brokerSequence).toBe(positions[3]);
    await reader.close();
  });
});

describe("partition readers on a cluster", () => {
  it("read on without a hole and without a double when the log's leader is killed", async () => {
    await using cluster = await startNatsCluster(3);
    const link = await connectNats({ servers: cluster.url, name: "cluster" });
    const log = await ensureLog(link, { ...OPTIONS, replicas: 3 });
    const collectors = await openCollectors(new NatsPartitionLog(link, log));
    const publisher = new Publisher(new NatsStreamLog(link, log), 20);
    for (let round = 1; round <= 2; round++) {
      const before = publisher.count;
      await expect.poll(() => publisher.count, CAUGHT_UP).toBeGreaterThan(before + 200);
      const { cluster: group } = await link.jetStreamManager.streams.info(CHUNKS_STREAM);
      const leader = cluster.nodes[Number(group?.leader?.slice("node-".length)) - 1];
      await leader!.kill();
      const killedAt = publisher.count;
      await expect.poll(() => publisher.count, CAUGHT_UP).toBeGreaterThan(killedAt + 100);
      await leader!.restart();
      await cluster.waitReady();
    }
    await publisher.stop();
    await expectAllCaughtUp(collectors, publisher);
    await Promise.all(collectors.map((collector) => collector.close()));
    await link.close();
  });
});

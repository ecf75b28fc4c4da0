import type { LiveFeed, StreamLog, Subscription } from "@sluice/core";
import { StreamManager } from "@sluice/producer";
import { createLogger, createRegistry } from "@sluice/runtime";
import {
  MemoryCancelFeed,
  MemoryChunkCache,
  MemoryLiveBus,
  MemoryLiveFeed,
  MemoryLog,
  MemoryPartitionLeases,
  MemoryPartitionLog,
  MemoryPressureFeed,
  MemoryReaderCensus,
  MemoryReceiptFeed,
  MemoryStreamLog,
} from "@sluice/testing";
import type { Registry } from "prom-client";
import { startIngester, type Ingester } from "./ingester.ts";
import type { IngestSettings } from "./settings.ts";

export const PARTITIONS = 1;
export const PRODUCER_TIMEOUT_MS = 300;
export const BEAT_INTERVAL_MS = 40;
export const CANCEL_GRACE_MS = 400;
export const DEADLINE = { timeout: 5_000 };

const SETTINGS: IngestSettings = {
  maxChunkBytes: 1024,
  chunkTtlSeconds: 300,
  idleLimitMs: 60_000,
  producerTimeoutMs: PRODUCER_TIMEOUT_MS,
  cancelGraceMs: CANCEL_GRACE_MS,
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

interface OtherParts {
  streamLog?: StreamLog;
  liveFeed?: MemoryLiveFeed;
}

/** Ingest replicas and producers of one system in memory. What they leave open fails the test. */
export class LifeBench implements AsyncDisposable {
  readonly log = new MemoryLog({ partitions: PARTITIONS });
  readonly streamLog = new MemoryStreamLog(this.log);
  readonly cache = new MemoryChunkCache({ partitions: PARTITIONS });
  readonly bus = new MemoryLiveBus();
  readonly cancelFeed = new MemoryCancelFeed();
  readonly readerCensus = new MemoryReaderCensus();
  leases = new MemoryPartitionLeases({ partitions: PARTITIONS, cache: this.cache });
  readonly #closing: { close: () => Promise<void> }[] = [];

  ingest(
    settings: Partial<IngestSettings> = {},
    parts: OtherParts = {},
  ): { ingester: Ingester; registry: Registry } {
    const registry = createRegistry("ingest");
    const ingester = startIngester({
      log: new MemoryPartitionLog(this.log),
      streamLog: parts.streamLog ?? this.streamLog,
      cache: this.cache,
      leases: this.leases,
      liveFeed: parts.liveFeed ?? new MemoryLiveFeed(this.bus),
      cancelFeed: this.cancelFeed,
      readerCensus: this.readerCensus,
      pressureFeed: new MemoryPressureFeed(),
      receiptFeed: new MemoryReceiptFeed(),
      settings: { ...SETTINGS, ...settings },
      logger: createLogger("ingest", "silent"),
      registry,
    });
    this.#closing.push(ingester);
    return { ingester, registry };
  }

  producer(): Producer {
    const producer = new Producer(this.streamLog, new MemoryLiveFeed(this.bus));
    this.#closing.push(producer.manager);
    return producer;
  }

  /** What the stream's last chunk says, once the stream has ended. */
  async endOf(streamId: string): Promise<{ type: string; code?: string; error?: string } | null> {
    const page = await this.cache.readPage(streamId, 0, { maxChunks: 10_000, maxBytes: 1e9 });
    if (page === null || !page.hasEnded) return null;
    const json = Buffer.from(page.chunks.at(-1)?.json ?? []).toString();
    return (JSON.parse(json) as { chunk_type: { type: string } }).chunk_type;
  }

  closeAfterwards(subscription: Subscription): void {
    this.#closing.push({ close: async () => subscription.close() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#closing.map((each) => each.close()));
    const leaks = this.log.openReaders + this.bus.openSubscriptions + this.cancelFeed.openSubscriptions;
    if (leaks > 0) throw new Error(`${leaks} readers and subscriptions are left open`);
  }
}

/** A producer's process; killed, it falls silent without a word. */
export class Producer {
  readonly manager: StreamManager;
  #isKilled = false;

  constructor(log: StreamLog, feed: LiveFeed) {
    const publishBeat = (streamId: string, brokerSequence: number): void => {
      if (!this.#isKilled) feed.publishBeat(streamId, brokerSequence);
    };
    const settings = { beatIntervalMs: BEAT_INTERVAL_MS, publishTimeoutMs: 500, retryDelayMs: 1 };
    this.manager = new StreamManager({ log, liveFeed: { publishBeat }, settings });
  }

  kill(): void {
    this.#isKilled = true;
  }
}

export async function samples(registry: Registry, name: string): Promise<unknown[]> {
  return (await registry.getSingleMetric(`sluice_ingest_${name}`)?.get())?.values ?? [];
}

import type {
  CancelFeed,
  ChunkCache,
  LiveFeed,
  PartitionLeases,
  PartitionLog,
  PressureFeed,
  ReaderPresence,
  ReceiptFeed,
  StreamLog,
  Subscription,
} from "@sluice/core";
import { StreamManager } from "@sluice/producer";
import { createLogger, createRegistry, defaultSettings } from "@sluice/runtime";
import type { Registry } from "prom-client";
import { startIngester, type Ingester } from "../src/ingester.ts";
import { ingestConfigSchema, type IngestSettings } from "../src/config.ts";

export const PRODUCER_TIMEOUT_MS = 300;
export const BEAT_INTERVAL_MS = 40;
export const CANCEL_GRACE_MS = 400;
export const DEADLINE = { timeout: 5_000 };

const SETTINGS: IngestSettings = {
  ...defaultSettings(ingestConfigSchema),
  maxChunkBytes: 1024,
  idleLimitSeconds: 60,
  producerTimeoutMs: PRODUCER_TIMEOUT_MS,
  cancelGraceMs: CANCEL_GRACE_MS,
  maxStreamBytes: 1e6,
  leaseTtlMs: 200,
  leaseRenewMs: 50,
  maxBatchMessages: 16,
  maxPendingMessages: 64,
  maxPendingBytes: 1024 * 1024,
};

/** Ports of the bench; the tests bring them. */
interface LifePorts {
  partitionLog: PartitionLog;
  streamLog: StreamLog;
  cache: ChunkCache;
  leases: PartitionLeases;
  openFeed(): LiveFeed;
  cancelFeed: CancelFeed;
  readerPresence: ReaderPresence;
  pressureFeed: PressureFeed;
  receiptFeed: ReceiptFeed;
  /** Readers and subscriptions that haven't been closed. */
  countOpen(): number;
}

interface OtherParts {
  streamLog?: StreamLog;
  liveFeed?: LiveFeed;
  leases?: PartitionLeases;
}

/** Ingest replicas and producers of one system. What they leave open fails the test. */
export interface LifeBench extends AsyncDisposable {
  ingest(settings?: Partial<IngestSettings>, parts?: OtherParts): { ingester: Ingester; registry: Registry };
  producer(): Producer;
  /** Returns the content of the stream's last chunk, or null while the stream is open. */
  endOf(streamId: string): Promise<{ type: string; code?: string; error?: string } | null>;
  closeAfterwards(subscription: Subscription): void;
}

export function lifeBench<Ports extends LifePorts>(ports: Ports): Ports & LifeBench {
  const closing: { close: () => Promise<void> }[] = [];
  const bench: LifeBench = {
    ingest(settings = {}, parts = {}) {
      const registry = createRegistry("ingest");
      const ingester = startIngester({
        log: ports.partitionLog,
        streamLog: parts.streamLog ?? ports.streamLog,
        cache: ports.cache,
        leases: parts.leases ?? ports.leases,
        liveFeed: parts.liveFeed ?? ports.openFeed(),
        cancelFeed: ports.cancelFeed,
        readerPresence: ports.readerPresence,
        pressureFeed: ports.pressureFeed,
        receiptFeed: ports.receiptFeed,
        settings: { ...SETTINGS, ...settings },
        logger: createLogger("ingest", "silent"),
        registry,
      });
      closing.push(ingester);
      return { ingester, registry };
    },
    producer() {
      const producer = new Producer(ports.streamLog, ports.openFeed());
      closing.push(producer.manager);
      return producer;
    },
    async endOf(streamId) {
      const page = await ports.cache.readPage(streamId, 0, { maxChunks: 10_000, maxBytes: 1e9 });
      if (page === null || !page.hasEnded) return null;
      const json = Buffer.from(page.chunks.at(-1)?.json ?? []).toString();
      return (JSON.parse(json) as { chunk_type: { type: string } }).chunk_type;
    },
    closeAfterwards(subscription) {
      closing.push({ close: async () => subscription.close() });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(closing.map((each) => each.close()));
      const leaks = ports.countOpen();
      if (leaks > 0) throw new Error(`${leaks} readers and subscriptions are left open`);
    },
  };
  return { ...ports, ...bench };
}

/** A producer's process; killed, it falls silent without a word. */
export class Producer {
  readonly manager: StreamManager;
  #isKilled = false;

  constructor(log: StreamLog, feed: LiveFeed) {
    const publishBeat = (streamId: string, brokerSequence: number | null): void => {
      if (!this.#isKilled) feed.publishBeat(streamId, brokerSequence);
    };
    const settings = { beatIntervalMs: BEAT_INTERVAL_MS, publishTimeoutMs: 500, retryDelayMs: 1 };
    this.manager = new StreamManager({ log, liveFeed: { publishBeat }, settings });
  }

  kill(): void {
    this.#isKilled = true;
  }

  /** Connects it to the network again. */
  revive(): void {
    this.#isKilled = false;
  }
}

export async function samples(registry: Registry, name: string): Promise<unknown[]> {
  return (await registry.getSingleMetric(`sluice_ingest_${name}`)?.get())?.values ?? [];
}

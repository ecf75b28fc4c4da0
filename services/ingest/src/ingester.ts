import {
  partitionOf,
  type CacheSpace,
  type CancelFeed,
  type ChunkCache,
  type LiveFeed,
  type OwnedPartition,
  type PartitionLeases,
  type PartitionLog,
  type PressureFeed,
  type ReaderPresence,
  type ReceiptFeed,
  type StreamLog,
} from "@sluice/core";
import { createInstanceName, type Logger } from "@sluice/runtime";
import type { Registry } from "prom-client";
import { createIngestMetrics } from "./metrics.ts";
import { Ownership } from "./partition/ownership.ts";
import { PartitionOwner } from "./partition/partition-owner.ts";
import { lookAtLog } from "./partition/resume-position.ts";
import { PressureAnnouncer } from "./partition/pressure-announcer.ts";
import { RebuildGate } from "./rebuild/rebuild-gate.ts";
import { SharedCall } from "./partition/shared-call.ts";
import type { IngestSettings } from "./config.ts";
import { StorageWatch } from "./storage-watch.ts";
import { StreamEnder } from "./endings/stream-ender.ts";

export interface IngesterOptions {
  log: PartitionLog;
  /** The same log, for the ends of streams that their producers don't end. */
  streamLog: StreamLog;
  cache: ChunkCache;
  /** Says how full the cache is; absent: it has no bound that is known. */
  cacheSpace?: CacheSpace;
  leases: PartitionLeases;
  liveFeed: LiveFeed;
  cancelFeed: Pick<CancelFeed, "answerCancels" | "tellProducer">;
  readerPresence: Pick<ReaderPresence, "countReaders">;
  pressureFeed: Pick<PressureFeed, "publishPressure">;
  receiptFeed: ReceiptFeed;
  settings: IngestSettings;
  logger: Logger;
  registry: Registry;
  /** Name of the replica in the leases; no other running replica may have it. Default: a new one. */
  instance?: string;
}

/** A running ingest replica. */
export interface Ingester {
  /** Partitions read by this replica now, ascending. */
  readonly owned: readonly number[];
  /** The same, with how far each is behind the log. */
  partitions(): OwnedPartition[];
  /**
   * Null when it takes part, else what is missing. One that is behind the log takes part: no request waits for it, and a
   * replica that were taken away for its lag would only leave the others with more. Lag is a metric.
   */
  readiness(): string | null;
  /** Stops reading and hands its partitions over at once. Idempotent. */
  close(): Promise<void>;
}

/** Materialises the log: gives every chunk its sequence, writes it to the cache and tells the readers. */
export function startIngester(options: IngesterOptions): Ingester {
  const { log, streamLog, cache, liveFeed, settings, logger } = options;
  const storage = new StorageWatch({
    log,
    cacheSpace: options.cacheSpace ?? null,
    maxStreamBytes: settings.maxStreamBytes,
    logger,
  });
  const metrics = createIngestMetrics(
    options.registry,
    () => ownership.lags(),
    () => storage.spaces,
  );
  const ender = new StreamEnder({ log: streamLog, cache, metrics, logger });
  const rebuilds = new RebuildGate(settings.maxConcurrentRebuilds);
  const logState = new SharedCall(() => lookAtLog(log, cache));
  const ownership: Ownership = new Ownership({
    self: options.instance ?? createInstanceName(),
    partitions: log.partitions,
    leases: options.leases,
    leaseTtlMs: settings.leaseTtlMs,
    leaseRenewMs: settings.leaseRenewMs,
    createOwner: (partition) =>
      new PartitionOwner(partition, { ...options, logState, rebuilds, ender, metrics }),
    metrics,
    logger,
  });
  const beats = liveFeed.subscribeBeats((streamId, brokerSequence) => {
    ownership.ownerOf(partitionOf(streamId, log.partitions))?.hearBeat(streamId, brokerSequence);
  });
  const pressure = new PressureAnnouncer({
    feed: options.pressureFeed,
    log: streamLog,
    lags: () => ownership.lags(),
  });
  ownership.start();
  return {
    get owned() {
      return ownership.owned;
    },
    partitions: () =>
      ownership
        .lags()
        .map(({ partition, ms, messages }) => ({
          partition,
          lagMs: Number.isFinite(ms) ? ms : null,
          lagMessages: Number.isFinite(messages) ? messages : null,
        }))
        .toSorted((a, b) => a.partition - b.partition),
    readiness: () => (ownership.isRenewed ? null : "leases are not renewed"),
    close: () => {
      beats.close();
      pressure.close();
      storage.close();
      return ownership.close();
    },
  };
}

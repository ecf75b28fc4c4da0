import type { ChunkCache, LiveFeed, PartitionLeases, PartitionLog } from "@sluice/core";
import type { Logger } from "@sluice/runtime";
import { randomUUID } from "node:crypto";
import type { Registry } from "prom-client";
import { createIngestMetrics } from "./metrics.ts";
import { Ownership } from "./ownership.ts";
import { PartitionOwner } from "./partition-owner.ts";
import { RebuildGate } from "./rebuild-gate.ts";
import type { IngestSettings } from "./settings.ts";

export interface IngesterOptions {
  log: PartitionLog;
  cache: ChunkCache;
  leases: PartitionLeases;
  liveFeed: LiveFeed;
  settings: IngestSettings;
  logger: Logger;
  registry: Registry;
}

/** A running ingest replica. */
export interface Ingester {
  /** Partitions read by this replica now, ascending. */
  readonly owned: readonly number[];
  /** Null when it takes part, else what is missing. */
  readiness(): string | null;
  /** Stops reading and hands its partitions over at once. Idempotent. */
  close(): Promise<void>;
}

/** Materialises the log: gives every chunk its sequence, writes it to the cache and tells the readers. */
export function startIngester(options: IngesterOptions): Ingester {
  const { log, cache, leases, liveFeed, settings, logger, registry } = options;
  const metrics = createIngestMetrics(registry);
  const rebuilds = new RebuildGate(settings.maxConcurrentRebuilds);
  const ownership = new Ownership({
    self: randomUUID(),
    partitions: log.partitions,
    leases,
    leaseTtlMs: settings.leaseTtlMs,
    leaseRenewMs: settings.leaseRenewMs,
    createOwner: (partition) =>
      new PartitionOwner(partition, { log, cache, liveFeed, rebuilds, settings, metrics, logger }),
    metrics,
    logger,
  });
  ownership.start();
  return {
    get owned() {
      return ownership.owned;
    },
    readiness: () => (ownership.isRenewed ? null : "leases are not renewed"),
    close: () => ownership.close(),
  };
}

import type { StorageSpace } from "@sluice/core";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

export type IngestMetrics = ReturnType<typeof createIngestMetrics>;

/** How far a partition is behind the log. Infinity where the log hasn't said. */
export interface PartitionLag {
  partition: number;
  messages: number;
  ms: number;
}

/**
 * No label names a stream: a registry that grows with the streams is a leak.
 * @param lags of the partitions that are owned at the time of the call
 * @param spaces of log and cache, as they were seen last
 */
export function createIngestMetrics(
  registry: Registry,
  lags: () => readonly PartitionLag[] = () => [],
  spaces: () => ReadonlyMap<string, StorageSpace> = () => new Map(),
) {
  const registers = [registry];
  return {
    ...lagGauges(registers, lags),
    ...storageGauges(registers, spaces),
    chunks: new Counter({
      name: "sluice_ingest_chunks_total",
      help: "Elements numbered and written",
      registers,
    }),
    bytes: new Counter({
      name: "sluice_ingest_bytes_total",
      help: "Payload bytes of the messages written",
      registers,
    }),
    duplicates: new Counter({
      name: "sluice_ingest_duplicates_total",
      help: "Messages skipped because they were written before",
      registers,
    }),
    ends: new Counter({
      name: "sluice_ingest_ends_total",
      help: "Streams that ended, by what became of them",
      labelNames: ["status"],
      registers,
    }),
    endsPublished: new Counter({
      name: "sluice_ingest_ends_published_total",
      help: "Streams that ingest ended because their producer didn't, by the code of the Error chunk",
      labelNames: ["code"],
      registers,
    }),
    rejected: new Counter({
      name: "sluice_ingest_rejected_total",
      help: "Elements refused under a placeholder",
      registers,
    }),
    rejectedLost: new Counter({
      name: "sluice_ingest_rejected_lost_total",
      help: "Refused elements that could not be kept on REJECTED",
      registers,
    }),
    batchMessages: new Histogram({
      name: "sluice_ingest_batch_messages",
      help: "Messages written with one call",
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
      registers,
    }),
    appendSeconds: new Histogram({
      name: "sluice_ingest_append_seconds",
      help: "One append to the cache",
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5],
      registers,
    }),
    lagSeconds: new Histogram({
      name: "sluice_ingest_lag_seconds",
      help: "From the log's timestamp of a batch's oldest message to its being readable",
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30, 300],
      registers,
    }),
    rebuilds: new Counter({
      name: "sluice_ingest_rebuilds_total",
      help: "Streams brought back from the log",
      labelNames: ["cause"],
      registers,
    }),
    rewinds: new Counter({
      name: "sluice_ingest_rewinds_total",
      help: "Times the cache was found to have fallen back",
      registers,
    }),
    divergences: new Counter({
      name: "sluice_ingest_divergences_total",
      help: "Times the log was found to have lost what was applied already",
      registers,
    }),
    retries: new Counter({
      name: "sluice_ingest_retries_total",
      help: "Calls repeated because log or cache were away",
      labelNames: ["code"],
      registers,
    }),
    partitionsOwned: new Gauge({
      name: "sluice_ingest_partitions_owned",
      help: "Partitions this replica reads",
      registers,
    }),
    takeovers: new Counter({ name: "sluice_ingest_takeovers_total", help: "Partitions acquired", registers }),
    leasesLost: new Counter({
      name: "sluice_ingest_leases_lost_total",
      help: "Leases that expired or went to another",
      registers,
    }),
  };
}

/** The same at every replica: all look at one log and one cache. */
function storageGauges(registers: Registry[], spaces: () => ReadonlyMap<string, StorageSpace>) {
  const labelNames = ["store"] as const;
  return {
    storageUsedBytes: new Gauge({
      name: "sluice_ingest_storage_used_bytes",
      help: "Bytes used of the log and of the cache (Redis memory, of the fullest server)",
      labelNames,
      registers,
      collect() {
        for (const [store, { usedBytes }] of spaces()) this.set({ store }, usedBytes);
      },
    }),
    storageLimitBytes: new Gauge({
      name: "sluice_ingest_storage_limit_bytes",
      help: "Most bytes that the log and the cache may use (max_bytes, maxmemory); +Inf without a limit",
      labelNames,
      registers,
      collect() {
        for (const [store, { limitBytes }] of spaces()) this.set({ store }, limitBytes);
      },
    }),
  };
}

/** Read when they are asked for: a partition that was handed over leaves no value behind. */
function lagGauges(registers: Registry[], lags: () => readonly PartitionLag[]) {
  const labelNames = ["partition"] as const;
  return {
    partitionLagMessages: new Gauge({
      name: "sluice_ingest_partition_lag_messages",
      help: "Messages of the log that are not in the cache yet",
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const { partition, messages } of lags()) this.set({ partition }, messages);
      },
    }),
    partitionLagSeconds: new Gauge({
      name: "sluice_ingest_partition_lag_seconds",
      help: "Age of the oldest message that is not in the cache yet",
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const { partition, ms } of lags()) this.set({ partition }, ms / 1000);
      },
    }),
  };
}

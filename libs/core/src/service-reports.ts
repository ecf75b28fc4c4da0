import type { Subscription } from "./live-feed.ts";

/** A partition that an ingest replica reads, and how far what readers can get is behind the log; null where it isn't known. */
export interface OwnedPartition {
  partition: number;
  lagMs: number | null;
  lagMessages: number | null;
}

/** Report of one running process to the control plane. It has figures only: nothing in it names a stream. */
export interface ServiceReport {
  service: "ingest" | "edge" | "gateway" | "worker";
  /** Different for each running process: for an edge the pod in its connection ids, for ingest its name in the leases. */
  instance: string;
  startedMs: number;
  /**
   * Figures by name, e.g. `connections`, `chunks_sent`, `lag_p99_ms`: counters since the start and gauges of now, all finite. One
   * that can't be told now is missing.
   */
  figures: Readonly<Record<string, number>>;
  /** Partitions that an ingest replica owns; empty for the others. */
  partitions: readonly OwnedPartition[];
}

export interface ServiceReports {
  /**
   * Reports of all processes that answer within the time, in no order; one that doesn't is missing.
   * @throws StreamError CONNECTION where nobody can be asked: this says nothing about who runs
   */
  gather(timeoutMs: number): Promise<readonly ServiceReport[]>;
  /** Answers for a process, once for each time that somebody asks. A description that fails is no answer. */
  serve(describe: () => Promise<ServiceReport>): Subscription;
}

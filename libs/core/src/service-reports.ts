import type { Subscription } from "./live-feed.ts";

/** What one running process says of itself when the control plane asks. Figures only: nothing in it names a stream. */
export interface ServiceReport {
  service: "ingest" | "edge" | "gateway" | "worker";
  /** Different for each running process; for an edge it is the pod in its connection ids. */
  instance: string;
  startedMs: number;
  /** By name, e.g. `connections`, `chunks_sent`, `lag_p99_ms`: counters since the start and gauges of now. */
  figures: Readonly<Record<string, number>>;
  /** Partitions that an ingest replica owns; empty for the others. */
  partitions: readonly number[];
}

/** Reports of all processes that answer within a time, in no order. */
export interface ServiceReports {
  gather(timeoutMs: number): Promise<readonly ServiceReport[]>;
  serve(describe: () => ServiceReport): Subscription;
}

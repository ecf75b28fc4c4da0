import type { FigureSources } from "@sluice/runtime";

/** Figures that an ingest replica reports to the control plane. */
export const INGEST_FIGURES = {
  chunks_applied: { kind: "sum", series: "sluice_ingest_chunks_total" },
  messages_applied: { kind: "sum", series: "sluice_ingest_batch_messages_sum" },
  lag_p50_ms: { kind: "quantile-ms", metric: "sluice_ingest_lag_seconds", quantile: 0.5 },
  lag_p99_ms: { kind: "quantile-ms", metric: "sluice_ingest_lag_seconds", quantile: 0.99 },
  lag_ms: { kind: "largest-ms", series: "sluice_ingest_partition_lag_seconds" },
  partitions_owned: { kind: "sum", series: "sluice_ingest_partitions_owned" },
  rejected: { kind: "sum", series: "sluice_ingest_rejected_total" },
} as const satisfies FigureSources;

import type { FigureSources } from "@sluice/runtime";

/** Figures that an edge pod reports to the control plane. */
export const EDGE_FIGURES = {
  connections: { kind: "sum", series: "sluice_edge_connections" },
  subscribers: { kind: "sum", series: "sluice_edge_subscribers" },
  streams: { kind: "sum", series: "sluice_edge_streams" },
  chunks_sent: { kind: "sum", series: "sluice_edge_chunks_sent_total" },
  bytes_sent: { kind: "sum", series: "sluice_edge_sent_bytes_total" },
  lag_p50_ms: { kind: "quantile-ms", metric: "sluice_edge_live_lag_seconds", quantile: 0.5 },
  lag_p99_ms: { kind: "quantile-ms", metric: "sluice_edge_live_lag_seconds", quantile: 0.99 },
  reconnects: { kind: "sum", series: "sluice_edge_reconnections_total" },
  gaps: { kind: "sum", series: "sluice_edge_gaps_total" },
  refusals: { kind: "sum", series: "sluice_edge_refusals_total" },
} as const satisfies FigureSources;

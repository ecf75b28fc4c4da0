import type { FigureSources } from "@sluice/runtime";

/** Figures that a gateway reports to the control plane. */
export const GATEWAY_FIGURES = {
  chunks_accepted: { kind: "sum", series: "sluice_gateway_chunks_accepted_total" },
  streams_created: { kind: "sum", series: "sluice_gateway_streams_created_total" },
  open_uploads: { kind: "sum", series: "sluice_gateway_open_uploads" },
  refusals: { kind: "sum", series: "sluice_gateway_refusals_total" },
} as const satisfies FigureSources;

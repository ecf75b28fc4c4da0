import type { FigureSources } from "@sluice/runtime";

/** Figures that a worker reports to the control plane. */
export const WORKER_FIGURES = {
  answers_running: { kind: "sum", series: "sluice_worker_answers_running" },
  answers_ended: { kind: "sum", series: "sluice_worker_answers_total" },
  prompts_refused: { kind: "sum", series: "sluice_worker_prompts_refused_total" },
  text_chunks_sent: { kind: "sum", series: "sluice_worker_text_chunks_total" },
} as const satisfies FigureSources;

import type { ServiceRow } from "./control.ts";

/** Figures of all services together at one moment. Rates are per second, since the sample before. */
export interface Sample {
  readonly timeMs: number;
  /** Rates are null where there is no sample before, or it is too old to compute a rate from. */
  readonly appliedRate: number | null;
  readonly sentRate: number | null;
  readonly sentByteRate: number | null;
  readonly connections: number;
  readonly subscribers: number;
  /** Lag of the slowest edge; null: nothing was sent lately. */
  readonly lagP50Ms: number | null;
  readonly lagP99Ms: number | null;
}

export const WINDOW_MS = 5 * 60_000;
const MAX_STEP_MS = 10_000;

/** Samples of the last five minutes. */
export class Samples {
  #samples: readonly Sample[] = [];
  #last: { readonly timeMs: number; readonly services: readonly ServiceRow[] } | null = null;

  get all(): readonly Sample[] {
    return this.#samples;
  }

  add(services: readonly ServiceRow[], timeMs: number): void {
    const before = this.#last;
    this.#last = { timeMs, services };
    const seconds =
      before === null || timeMs - before.timeMs > MAX_STEP_MS ? null : (timeMs - before.timeMs) / 1000;
    const rate = (service: ServiceRow["service"], figure: string): number | null =>
      seconds === null || seconds <= 0 || before === null
        ? null
        : increase(before.services, services, service, figure) / seconds;
    const sample: Sample = {
      timeMs,
      appliedRate: rate("ingest", "chunks_applied"),
      sentRate: rate("edge", "chunks_sent"),
      sentByteRate: rate("edge", "bytes_sent"),
      connections: sumOf(services, "edge", "connections"),
      subscribers: sumOf(services, "edge", "subscribers"),
      lagP50Ms: mostOf(services, "edge", "lag_p50_ms"),
      lagP99Ms: mostOf(services, "edge", "lag_p99_ms"),
    };
    this.#samples = [...this.#samples.filter((kept) => kept.timeMs > timeMs - WINDOW_MS), sample];
  }
}

/** Sums a counter's increase. A new instance counts from zero; one that is gone or has restarted takes nothing away. */
function increase(
  before: readonly ServiceRow[],
  now: readonly ServiceRow[],
  service: ServiceRow["service"],
  figure: string,
): number {
  const earlier = new Map(before.map((row) => [row.instance, row.figures[figure] ?? 0]));
  return now
    .filter((row) => row.service === service)
    .reduce(
      (sum, row) => sum + Math.max(0, (row.figures[figure] ?? 0) - (earlier.get(row.instance) ?? 0)),
      0,
    );
}

export function sumOf(
  services: readonly ServiceRow[],
  service: ServiceRow["service"],
  figure: string,
): number {
  return services
    .filter((row) => row.service === service)
    .reduce((sum, row) => sum + (row.figures[figure] ?? 0), 0);
}

function mostOf(
  services: readonly ServiceRow[],
  service: ServiceRow["service"],
  figure: string,
): number | null {
  const told = services.filter((row) => row.service === service).flatMap((row) => row.figures[figure] ?? []);
  return told.length === 0 ? null : Math.max(...told);
}

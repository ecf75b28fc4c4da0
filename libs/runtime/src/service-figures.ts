import { monitorEventLoopDelay } from "node:perf_hooks";
import type { MetricValue, Registry } from "prom-client";

/** Where a figure is drawn from: a metric of the registry, by its exported name. */
export type FigureSource =
  /** The sum over all labels; of a histogram name `…_sum` or `…_count`. */
  | { kind: "sum"; series: string }
  /** The largest of all labels, in seconds; the figure is in ms. */
  | { kind: "largest-ms"; series: string }
  /** Quantile of a histogram of seconds, over recent observations; the figure is in ms. */
  | { kind: "quantile-ms"; metric: string; quantile: number };

export type FigureSources = Readonly<Record<string, FigureSource>>;

// "Lately" is from one to two of these: long enough for a p99 of a few events a second, short enough to show what is now.
const WINDOW_MS = 10_000;

const LOOP_RESOLUTION_MS = 20;

/**
 * A process's figures, read when somebody asks: nothing is counted twice for it. Quantiles and event-loop delay are those
 * of the last 10 to 20 s while somebody asks that often, else of the time since somebody did.
 */
export class ServiceFigures {
  readonly #registry: Registry;
  readonly #sources: FigureSources;
  readonly #windows = new Map<string, BucketWindow>();
  readonly #loopDelay = new LoopDelay();

  constructor(registry: Registry, sources: FigureSources) {
    this.#registry = registry;
    this.#sources = sources;
  }

  /** A figure that can't be told now is left out: nothing was observed, or a lag is not known. */
  async read(): Promise<Record<string, number>> {
    const figures: Record<string, number> = {
      rss_bytes: process.memoryUsage.rss(),
      event_loop_delay_p99_ms: this.#loopDelay.p99Ms(),
    };
    for (const [name, source] of Object.entries(this.#sources)) {
      const figure = await this.#figure(source);
      if (Number.isFinite(figure)) figures[name] = figure;
    }
    return figures;
  }

  close(): void {
    this.#loopDelay.close();
  }

  async #figure(source: FigureSource): Promise<number> {
    if (source.kind === "quantile-ms") {
      const buckets = cumulativeBuckets(await this.#values(`${source.metric}_bucket`));
      const window = this.#windows.get(source.metric) ?? new BucketWindow();
      this.#windows.set(source.metric, window);
      return 1000 * quantileOf(window.since(buckets, performance.now()), source.quantile);
    }
    const values = (await this.#values(source.series)).map(({ value }) => value);
    if (source.kind === "sum") return values.reduce((sum, value) => sum + value, 0);
    return 1000 * Math.max(...values);
  }

  /** @throws where there is no such metric: a figure of nothing would look like a service that does nothing */
  async #values(series: string): Promise<MetricValue<string>[]> {
    const [, base = "", suffix] = /^(.*?)(_bucket|_sum|_count)?$/.exec(series) ?? [];
    const metric = this.#registry.getSingleMetric(series) ?? this.#registry.getSingleMetric(base);
    if (metric === undefined) throw new Error(`there is no metric ${series}`);
    const { values } = await metric.get();
    const named = values as (MetricValue<string> & { metricName?: string })[];
    return suffix === undefined
      ? values
      : named.filter(({ metricName }) => (metricName ?? series) === series);
  }
}

/** Upper bounds, ascending, with how many observations were at or below each. */
type Buckets = readonly (readonly [bound: number, count: number])[];

function cumulativeBuckets(values: readonly MetricValue<string>[]): Buckets {
  const counts = new Map<number, number>();
  for (const { labels, value } of values) {
    const bound = labels["le"] === "+Inf" ? Infinity : Number(labels["le"]);
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  return [...counts].toSorted(([a], [b]) => a - b);
}

/** Recent observations of a histogram. Buckets count from the start of the process; only a difference tells the present. */
class BucketWindow {
  #older: Buckets = [];
  #newer: Buckets = [];
  #newerMs = -Infinity;

  since(buckets: Buckets, nowMs: number): Buckets {
    if (nowMs - this.#newerMs >= WINDOW_MS) {
      this.#older = this.#newer;
      this.#newer = buckets;
      this.#newerMs = nowMs;
    }
    const before = new Map(this.#older);
    return buckets.map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)]);
  }
}

/** Interpolated within its bucket, as Prometheus does; NaN where nothing was observed. */
export function quantileOf(buckets: Buckets, quantile: number): number {
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total === 0) return NaN;
  const rank = quantile * total;
  let [lowerBound, lowerCount] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count >= rank && count > lowerCount) {
      // Beyond the last finite bound nothing is known but that it is beyond.
      if (bound === Infinity) return lowerBound;
      return lowerBound + (bound - lowerBound) * ((rank - lowerCount) / (count - lowerCount));
    }
    [lowerBound, lowerCount] = [bound, count];
  }
  return lowerBound;
}

/** How late timers come. */
class LoopDelay {
  // prom-client's own histogram is emptied by each scrape, so that two who look would each see half.
  readonly #histogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  #resetMs = performance.now();
  #lastP99Ms = 0;

  constructor() {
    this.#histogram.enable();
  }

  p99Ms(): number {
    const p99Ms = Math.max(0, this.#histogram.percentile(99) / 1e6 - LOOP_RESOLUTION_MS);
    const larger = Math.max(p99Ms, this.#lastP99Ms);
    if (performance.now() - this.#resetMs >= WINDOW_MS) {
      this.#lastP99Ms = p99Ms;
      this.#resetMs = performance.now();
      this.#histogram.reset();
    }
    return larger;
  }

  close(): void {
    this.#histogram.disable();
  }
}

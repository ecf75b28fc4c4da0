const BUCKETS_PER_E = 50;
const BUCKETS = 1_200;

/** Latencies as they travel between processes: counts by bucket. */
export type LatencyCounts = Uint32Array;

/**
 * A histogram of latencies from 1 µs to seven hours whose buckets are 2 % wide, so that millions of them cost nothing to
 * keep, to send and to add up. A latency below 1 µs counts as 1 µs.
 */
export class Latencies {
  readonly counts: LatencyCounts;

  constructor(counts: LatencyCounts = new Uint32Array(BUCKETS)) {
    this.counts = counts;
  }

  add(milliseconds: number): void {
    const microseconds = Math.max(1, milliseconds * 1000);
    const bucket = Math.min(BUCKETS - 1, Math.floor(Math.log(microseconds) * BUCKETS_PER_E));
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
  }

  merge(counts: LatencyCounts): void {
    for (const [bucket, count] of counts.entries()) this.counts[bucket] = (this.counts[bucket] ?? 0) + count;
  }

  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** @returns ms, the upper edge of the bucket; NaN where there are none */
  percentile(share: number): number {
    const wanted = Math.max(1, Math.ceil(this.count * share));
    let seen = 0;
    for (const [bucket, count] of this.counts.entries()) {
      seen += count;
      if (seen >= wanted) return Math.exp((bucket + 1) / BUCKETS_PER_E) / 1000;
    }
    return Number.NaN;
  }
}

import { describe, expect, it } from "vitest";
import { Latencies } from "./latencies.ts";

describe("Latencies", () => {
  it("tells percentiles within the width of a bucket, from microseconds to minutes", () => {
    for (const scale of [0.01, 1, 100, 60]) {
      const latencies = new Latencies();
      for (let step = 1; step <= 1000; step++) latencies.add(step * scale);
      for (const share of [0.5, 0.9, 0.99, 1]) {
        const exact = 1000 * share * scale;
        const told = latencies.percentile(share);
        expect(told / exact, `${share} at ${scale}`).toBeGreaterThanOrEqual(1);
        expect(told / exact, `${share} at ${scale}`).toBeLessThan(1.025);
      }
    }
  });

  it("adds up what several processes have measured", () => {
    const all = new Latencies();
    for (const milliseconds of [1, 1, 1, 500]) {
      const one = new Latencies();
      one.add(milliseconds);
      all.merge(structuredClone(one.counts));
    }
    expect(all.count).toBe(4);
    expect(all.percentile(0.75)).toBeLessThan(1.03);
    expect(all.percentile(1)).toBeGreaterThanOrEqual(500);
  });

  it("has no percentile of nothing, and takes what is negative for its least", () => {
    const latencies = new Latencies();
    expect(latencies.percentile(0.5)).toBeNaN();
    latencies.add(-3);
    expect(latencies.percentile(0.5)).toBeLessThan(0.002);
  });
});

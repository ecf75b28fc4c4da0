import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenBucket } from "./token-bucket.ts";

// Whole ms since 1970, as timers and `Date.now` count.
const start = fc.integer({ min: 0, max: 4_000_000_000_000 });
const rate = fc.double({ min: 0.001, max: 1_000_000, noNaN: true });
const burst = fc.integer({ min: 1, max: 10_000 });

describe("TokenBucket", () => {
  it("starts full and lets a burst through at once, no more", () => {
    const bucket = new TokenBucket(1, 3, 0);
    expect([1, 1, 1, 1].map((count) => bucket.tryTake(count, 0))).toEqual([true, true, true, false]);
  });

  it("lets nothing through until what was taken on credit has flowed in", () => {
    const bucket = new TokenBucket(1, 3, 0);
    bucket.take(5, 0);
    expect([bucket.available(0), bucket.tryTake(1, 2_999), bucket.tryTake(1, 3_000)]).toEqual([
      -2,
      false,
      true,
    ]);
    expect(bucket.waitMs(1, 3_000)).toBe(1_001);
    new TokenBucket(Infinity, 1, 0).take(5, 0);
  });

  it("never lets more through than the burst and what has flowed in", () => {
    const takes = fc.array(fc.record({ count: fc.integer({ min: 1, max: 50 }), afterMs: fc.nat(2_000) }), {
      maxLength: 50,
    });
    fc.assert(
      fc.property(start, rate, burst, takes, (startMs, rate, burst, takes) => {
        const bucket = new TokenBucket(rate, burst, startMs);
        let nowMs = startMs;
        let taken = 0;
        for (const { count, afterMs } of takes) {
          nowMs += afterMs;
          if (bucket.tryTake(count, nowMs)) taken += count;
          expect(taken).toBeLessThanOrEqual((burst + ((nowMs - startMs) * rate) / 1000) * 1.000_001);
        }
      }),
    );
  });

  it("gives the tokens after the wait that it has told, which is at most 1 ms too long", () => {
    fc.assert(
      fc.property(start, rate, burst, fc.integer({ min: 1, max: 10_000 }), (startMs, rate, burst, wanted) => {
        const count = Math.min(wanted, burst);
        const empty = (): TokenBucket => {
          const bucket = new TokenBucket(rate, burst, startMs);
          bucket.tryTake(burst, startMs);
          return bucket;
        };
        const waitMs = empty().waitMs(count, startMs);
        expect(empty().tryTake(count, startMs + waitMs)).toBe(true);
        expect(empty().tryTake(count, startMs + waitMs - 2)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it("answers for the burst where more is wanted than it can ever hold", () => {
    const bucket = new TokenBucket(10, 5, 0);
    expect(bucket.waitMs(50, 0)).toBe(0);
    bucket.tryTake(5, 0);
    expect(bucket.waitMs(50, 0)).toBe(501);
    expect(bucket.tryTake(6, 1_000_000)).toBe(false);
  });

  it("has no limit at an infinite rate, also within one ms", () => {
    const bucket = new TokenBucket(Infinity, 2, 0);
    for (let taken = 0; taken < 10; taken++) expect(bucket.tryTake(5, 0)).toBe(true);
    expect(bucket.waitMs(5, 0)).toBe(0);
    expect(bucket.isFull(0)).toBe(true);
  });

  it("never refills at a rate of 0", () => {
    const bucket = new TokenBucket(0, 1, 0);
    expect([bucket.tryTake(1, 0), bucket.tryTake(1, 1e12), bucket.waitMs(1, 1e12)]).toEqual([
      true,
      false,
      Infinity,
    ]);
  });

  it("is full again only when all has flowed back, and gains nothing from a clock that jumps back", () => {
    const bucket = new TokenBucket(1_000, 10, 100);
    bucket.tryTake(10, 100);
    expect([bucket.isFull(50), bucket.isFull(109), bucket.isFull(110)]).toEqual([false, false, true]);
  });
});

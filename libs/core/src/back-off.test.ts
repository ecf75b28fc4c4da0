import * as fc from "fast-check";
import { expect, test } from "vitest";
import { backOffMs } from "./back-off.ts";

test("the delay doubles from the first to the longest", () => {
  const options = { baseMs: 10, maxMs: 500, jitter: 0 };
  expect([0, 1, 2, 5, 6, 5_000].map((failures) => backOffMs(failures, options))).toEqual([
    10, 20, 40, 320, 500, 500,
  ]);
});

test.each([
  [0, 1_000, 1_000],
  [0.5, 500, 1_000],
  [1, 0, 1_000],
])("with a jitter of %d the delay is between %d and %d", (jitter, least, most) => {
  const options = { baseMs: 1_000, maxMs: 1_000, jitter };
  expect(backOffMs(3, options, 1)).toBe(least);
  expect(backOffMs(3, options, 0)).toBe(most);
});

test("the delay is never negative, never longer than the longest, and always a number", () => {
  fc.assert(
    fc.property(
      fc.nat(10_000),
      fc.nat(10_000),
      fc.nat(60_000),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (failures, baseMs, maxMs, jitter, random) => {
        const delayMs = backOffMs(failures, { baseMs: baseMs + 1, maxMs, jitter }, random);
        expect(delayMs).toBeGreaterThanOrEqual(0);
        expect(delayMs).toBeLessThanOrEqual(maxMs);
      },
    ),
  );
});

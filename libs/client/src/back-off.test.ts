import { expect, test } from "vitest";
import { backOffMs } from "./back-off.ts";

test("the delay is what the server asked for, and any part of a step that doubles up to half a minute", () => {
  const least = (failures: number) => backOffMs(failures, 2_000, () => 0);
  const most = (failures: number) => backOffMs(failures, 2_000, () => 1);
  expect([0, 3, 50].map(least)).toEqual([2_000, 2_000, 2_000]);
  expect([0, 1, 2, 50].map(most)).toEqual([2_500, 3_000, 4_000, 32_000]);
});

test("no server can put a reader off for more than an hour", () => {
  expect(backOffMs(0, 1e12, () => 0)).toBe(3_600_000);
});

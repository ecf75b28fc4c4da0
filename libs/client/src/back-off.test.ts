import { afterEach, expect, test, vi } from "vitest";
import { delayMs } from "./back-off.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

test("the delay is what the server asked for, and any part of a step that doubles up to half a minute", () => {
  const random = vi.spyOn(Math, "random").mockReturnValue(1);
  expect([0, 3, 50].map((failures) => delayMs(failures, 2_000))).toEqual([2_000, 2_000, 2_000]);
  random.mockReturnValue(0);
  expect([0, 1, 2, 50].map((failures) => delayMs(failures, 2_000))).toEqual([2_500, 3_000, 4_000, 32_000]);
});

test("no server can put a reader off for more than an hour", () => {
  vi.spyOn(Math, "random").mockReturnValue(1);
  expect(delayMs(0, 1e12)).toBe(3_600_000);
});

import { expect, test } from "vitest";
import { isBeginning } from "./beginning.ts";

const HOUR = 3_600_000;
const now = 100 * HOUR;
const maxAgeMs = 24 * HOUR;

test("in a log from which nothing can have aged out yet, the first retained message is the first", () => {
  expect(isBeginning(now - 23 * HOUR, { createdMs: now - 23 * HOUR, maxAgeMs }, HOUR, now)).toBe(true);
  expect(isBeginning(now, { createdMs: 0, maxAgeMs: Infinity }, HOUR, now)).toBe(true);
});

test("a message younger than the horizon by more than the idle limit is the first", () => {
  expect(isBeginning(now - 22 * HOUR, { createdMs: 0, maxAgeMs }, HOUR, now)).toBe(true);
});

test("a message near the horizon proves nothing: one before it may have aged out", () => {
  expect(isBeginning(now - 23.5 * HOUR, { createdMs: 0, maxAgeMs }, HOUR, now)).toBe(false);
  expect(isBeginning(now - 23 * HOUR, { createdMs: 0, maxAgeMs }, HOUR, now)).toBe(false);
});

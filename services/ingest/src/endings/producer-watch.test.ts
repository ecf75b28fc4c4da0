import { expect, test } from "vitest";
import { ProducerWatch } from "./producer-watch.ts";

const MIN_TIMEOUT_MS = 15_000;

test("a producer is silent after three intervals without a sign, and not before the shortest time allowed", () => {
  const watch = new ProducerWatch(MIN_TIMEOUT_MS);
  watch.watch("fast", 1_000, 1, 0);
  watch.watch("slow", 20_000, 2, 0);
  expect(watch.takeSilent(14_999)).toEqual([]);
  expect(watch.takeSilent(15_000)).toEqual(["fast"]);
  expect(watch.takeSilent(29_000)).toEqual([]);
  watch.forget("fast");
  expect(watch.takeSilent(59_999)).toEqual([]);
  expect(watch.takeSilent(60_000)).toEqual(["slow"]);
});

test("beats and messages are signs of life", () => {
  const watch = new ProducerWatch(MIN_TIMEOUT_MS);
  watch.watch("s", 5_000, 7, 0);
  watch.heard("s", 7, 10_000);
  expect(watch.takeSilent(24_999)).toEqual([]);
  watch.watch("s", 5_000, 8, 24_999);
  expect(watch.takeSilent(39_998)).toEqual([]);
  watch.heard("s", null, 39_998);
  watch.heard("unknown", null, 39_998);
  expect(watch.takeSilent(54_997)).toEqual([]);
  expect(watch.takeSilent(54_998)).toEqual(["s"]);
});

test("the beats of a producer that was replaced say nothing of the one that replaced it", () => {
  const watch = new ProducerWatch(MIN_TIMEOUT_MS);
  watch.watch("s", 5_000, 7, 0);
  watch.heard("s", 6, 14_000);
  expect(watch.takeSilent(15_000)).toEqual(["s"]);
});

test("a silence that is told is told again only after another one", () => {
  const watch = new ProducerWatch(MIN_TIMEOUT_MS);
  watch.watch("s", 5_000, 7, 0);
  expect(watch.takeSilent(15_000)).toEqual(["s"]);
  expect(watch.takeSilent(15_001)).toEqual([]);
  expect(watch.takeSilent(30_000)).toEqual(["s"]);
});

test("a silence that was told is over with a beat, with a message, with a pause of the listener, and with the stream", () => {
  const watch = new ProducerWatch(MIN_TIMEOUT_MS);
  const isOverAfter = (change: () => void): boolean => {
    watch.watch("s", 5_000, 7, 0);
    expect(watch.takeSilent(15_000)).toEqual(["s"]);
    expect(watch.isSilentSince("s", 15_000)).toBe(true);
    change();
    return !watch.isSilentSince("s", 15_000);
  };
  expect(isOverAfter(() => watch.heard("s", 7, 15_001))).toBe(true);
  expect(isOverAfter(() => watch.heard("s", 6, 15_001))).toBe(false);
  expect(isOverAfter(() => watch.watch("s", 5_000, 8, 15_001))).toBe(true);
  expect(isOverAfter(() => watch.startAnew(15_001))).toBe(true);
  expect(isOverAfter(() => watch.forget("s"))).toBe(true);
});

test("after a pause of the listener every silence begins anew", () => {
  const watch = new ProducerWatch(MIN_TIMEOUT_MS);
  watch.watch("s", 5_000, 7, 0);
  watch.startAnew(14_000);
  expect(watch.takeSilent(28_999)).toEqual([]);
  expect(watch.takeSilent(29_000)).toEqual(["s"]);
});

test("however many streams there are, it remembers a bounded number of them", () => {
  const watch = new ProducerWatch(MIN_TIMEOUT_MS);
  for (let index = 0; index < 100_010; index++) watch.watch(`s${index}`, 5_000, 1, 0);
  expect(watch.size).toBe(100_000);
  watch.watch("s0", 5_000, 2, 10_000);
  expect(watch.takeSilent(15_000)).toHaveLength(99_999);
});

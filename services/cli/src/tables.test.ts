import { expect, test } from "vitest";
import { bytesText, durationText, tableText } from "./tables.ts";

test("columns stand below each other, and nothing trails", () => {
  const rows = [
    ["a", "open", "1"],
    ["long-id", "completed", "22"],
  ];
  expect(tableText(rows)).toBe("a        open       1\nlong-id  completed  22\n");
  expect(tableText([])).toBe("");
});

test.each([
  [0, "0 B"],
  [1_023, "1023 B"],
  [1_536, "1.5 KiB"],
  [5 * 1024 ** 3, "5.0 GiB"],
])("%i bytes are %s", (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

test.each([
  [-5, "0 s"],
  [119_400, "119 s"],
  [120_000, "2 min"],
  [7_200_000, "2 h"],
  [172_800_000, "2 d"],
])("%i ms are %s", (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

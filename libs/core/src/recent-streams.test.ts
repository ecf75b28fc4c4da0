import { expect, test } from "vitest";
import type { ListedStream } from "./chunk-cache.ts";
import { mergeRecentStreams } from "./recent-streams.ts";

const at = (streamId: string, updatedMs: number): ListedStream => ({ streamId, updatedMs });

test("what a list has not told of yet is not passed over", () => {
  const pages = [
    { streams: [at("a", 9), at("b", 5)], next: at("b", 5) },
    { streams: [at("c", 8), at("d", 4)], next: null },
    { streams: [], next: at("x", 6) },
  ];
  expect(mergeRecentStreams(pages, 10)).toEqual({ streams: [at("a", 9), at("c", 8)], next: at("x", 6) });
  expect(mergeRecentStreams(pages, 1)).toEqual({ streams: [at("a", 9)], next: at("a", 9) });
  expect(mergeRecentStreams([], 1)).toEqual({ streams: [], next: null });
});

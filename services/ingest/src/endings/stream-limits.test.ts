import { expect, test } from "vitest";
import { exceededLimit } from "./stream-limits.ts";

const limits = { maxChunks: 10, maxBytes: 1_000, maxAgeMs: 60_000 };
const stream = { chunkCount: 10, byteCount: 1_000, createdMs: 5_000 };

test("a stream may reach each limit", () => {
  expect(exceededLimit(stream, 65_000, limits)).toBeNull();
});

test("past a limit the sentence names it", () => {
  expect(exceededLimit({ ...stream, chunkCount: 11 }, 65_000, limits)).toBe(
    "A stream may have at most 10 chunks.",
  );
  expect(exceededLimit({ ...stream, byteCount: 1_001 }, 65_000, limits)).toBe(
    "A stream may have at most 1000 bytes.",
  );
  expect(exceededLimit(stream, 65_001, limits)).toBe("A stream may be at most 60 seconds old.");
});

import { expect, test } from "vitest";
import { lineBatches, type LineBounds } from "./line-batches.ts";

const BOUNDS: LineBounds = { maxLineBytes: 10, maxBatchLines: 3, maxBatchBytes: 12 };

async function read(pieces: readonly string[], bounds = BOUNDS): Promise<string[]> {
  const seen: string[] = [];
  async function* body() {
    for (const piece of pieces) yield Buffer.from(piece);
  }
  try {
    for await (const batch of lineBatches(body(), bounds, { hold: () => {} })) {
      seen.push(batch.map((line) => `${line.number}:${line.bytes.toString()}`).join(" "));
    }
  } catch (error) {
    seen.push(error instanceof Error ? error.message : String(error));
  }
  return seen;
}

test("lines that arrived together come together", async () => {
  expect(await read(["a\nb\n", "c\n"])).toEqual(["1:a 2:b", "3:c"]);
});

test("a line may arrive in any number of pieces, and the last needs no newline", async () => {
  expect(await read(["a", "bc", "d\ne", "f"])).toEqual(["1:abcd", "2:ef"]);
});

test("blank lines are left out but counted", async () => {
  expect(await read(["\na\r\n\r\n \t\nb\n\n"])).toEqual(["2:a\r 5:b"]);
  expect(await read(["  "])).toEqual([]);
});

test("a batch has no more lines and bytes than allowed", async () => {
  expect(await read(["1\n2\n3\n4\n"])).toEqual(["1:1 2:2 3:3", "4:4"]);
  expect(await read(["123456\n123456\n1\n1234567890\n"])).toEqual(["1:123456 2:123456", "3:1 4:1234567890"]);
});

test("a line that is too long is refused before it has all arrived, after the lines before it", async () => {
  expect(await read(["a\n12345", "678901"])).toEqual(["1:a", "line 2 has more than 10 bytes"]);
  expect(await read(["a\n12345678901\nb\n"])).toEqual(["1:a", "line 2 has more than 10 bytes"]);
});

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineSplitter } from "./line-splitter.ts";

/** Feeds `bytes` in packets of the given sizes, over and over. */
function split(bytes: Uint8Array, sizes: readonly number[] = [bytes.length || 1]): string[] {
  const splitter = new LineSplitter();
  const pieces: string[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    pieces.push(...splitter.push(bytes.subarray(at, at + size)));
    at += size;
  }
  return [...pieces, ...splitter.end()];
}

const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });

describe("LineSplitter", () => {
  it("gives one piece a line, with its line break, and the last line without one", () => {
    expect(split(Buffer.from("a\n\nb\r\nc"))).toEqual(["a\n", "\n", "b\r\n", "c"]);
  });

  it("gives the same pieces however the bytes are cut, also within a character", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("a", "\n", "é", "日", "👩‍👧", "\uFEFF", "\r")),
        sizes,
        (parts, sizes) => {
          const text = parts.join("");
          const whole = text.split(/(?<=\n)/).filter((line) => line !== "");
          expect(split(Buffer.from(text), sizes)).toEqual(whole);
        },
      ),
    );
  });

  it("makes of any bytes the text that they decode to", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), sizes, (bytes, sizes) => {
        expect(split(bytes, sizes).join("")).toBe(
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
        );
      }),
    );
  });

  it("gives a begun line when flushed, and goes on after it", () => {
    const splitter = new LineSplitter();
    const [first, second] = [Buffer.from("name? é").subarray(0, 7), Buffer.from("name? é").subarray(7)];
    expect(splitter.push(first)).toEqual([]);
    expect(splitter.hasPartial).toBe(true);
    expect(splitter.flush()).toEqual(["name? "]);
    expect(splitter.flush()).toEqual([]);
    expect(splitter.push(second)).toEqual([]);
    expect(splitter.end()).toEqual(["é"]);
  });

  it("cuts a line that is too long, never within a surrogate pair", () => {
    const line = `x${"😀".repeat(100_000)}\n`;
    const pieces = split(Buffer.from(line), [10_007]);
    expect(pieces.join("")).toBe(line);
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(64 * 1024);
    expect(pieces.every((piece) => piece.isWellFormed())).toBe(true);
    expect(pieces.length).toBeLessThan(10);
  });
});

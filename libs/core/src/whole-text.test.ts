import { array, assert, integer, nat, property, string } from "fast-check";
import { expect, test } from "vitest";
import { cutText, toWellFormedJson, WholeText } from "./whole-text.ts";

const anyText = string({ unit: "binary" });
const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

test("rule 9: text that is cut anywhere, also between the halves of a character, is told as it was", () => {
  assert(
    property(anyText, array(nat()), (text, cuts) => {
      const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort(
        (one, other) => one - other,
      );
      const whole = new WholeText();
      const told: string[] = [];
      let start = 0;
      for (const place of [...places, text.length]) {
        told.push(whole.push(text.slice(start, place)));
        start = place;
      }
      told.push(whole.end());
      expect(told.join("")).toBe(text);
      for (const piece of told) expect(piece.isWellFormed()).toBe(true);
    }),
  );
});

test("rule 9: half a character that nothing completes is told as U+FFFD", () => {
  const whole = new WholeText();
  expect([whole.push("a\ud83d"), whole.hasHalf, whole.push(""), whole.push("b"), whole.end()]).toEqual([
    "a",
    true,
    "",
    "\ufffdb",
    "",
  ]);
  expect([whole.push("\udd0ec\ud83d"), whole.end(), whole.hasHalf]).toEqual(["\ufffdc", "\ufffd", false]);
});

test("rule 9: large text is cut between characters into pieces that fit as JSON", () => {
  assert(
    property(anyText, integer({ min: 12, max: 60 }), (text, maxBytes) => {
      const pieces = cutText(text, maxBytes);
      expect(pieces.join("")).toBe(text);
      for (const piece of pieces) {
        expect(jsonBytes(piece)).toBeLessThanOrEqual(maxBytes);
        expect(piece.isWellFormed()).toBe(true);
        expect(piece).not.toBe("");
      }
    }),
  );
  expect(cutText("x".repeat(100), 60)).toEqual(["x".repeat(60), "x".repeat(40)]);
  expect(cutText("\u0000\u0001\n", 12)).toEqual(["\u0000\u0001", "\n"]);
});

test("rule 9: JSON is freed of half characters in strings and keys, and otherwise left as it is", () => {
  const value = { "k\ud83d": ["\udd0e", "🔎", "\\ud83d", "\u0000", "\\\ud800\\"] };
  expect(JSON.parse(toWellFormedJson(JSON.stringify(value)))).toEqual({
    "k\ufffd": ["\ufffd", "🔎", "\\ud83d", "\u0000", "\\\ufffd\\"],
  });
  assert(
    property(string({ unit: "grapheme" }), (text) => {
      const written = JSON.stringify({ [text]: [text] });
      expect(toWellFormedJson(written)).toBe(written);
    }),
  );
});

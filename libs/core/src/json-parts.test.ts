import { expect, test } from "vitest";
import type { ChunkType, JsonValue } from "./chunk.ts";
import { JSON_PART, JsonJoiner, splitJson, type JsonPart } from "./json-parts.ts";

const nested = (levels: number): JsonValue => {
  let value: JsonValue = '"]}\\"';
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { "[{": value };
  return value;
};
const chunkOf = (part: JsonPart): ChunkType => ({ type: "Event", event_type: JSON_PART, payload: part });

test.each<[string, JsonValue, boolean]>([
  ["a value that fits", { text: '"]}\\"'.repeat(1_000) }, false],
  ["a value of 96 levels", nested(96), false],
  ["a value of 97 levels", nested(97), true],
  ["a value of 1,000 levels", nested(1_000), true],
  ["a text of a million letters", "x".repeat(999_998), false],
  ["a text of a million letters and one", "x".repeat(999_999), true],
  ["a text that is large in bytes only", "ü".repeat(500_000), true],
  ["a text of pairs, at each way of falling on the cut", `x${"👋".repeat(700_000)}`, true],
  ["a large text of quotes and backslashes", '"\\'.repeat(400_000), true],
])("%s is split if it must be, and the same when its parts are joined", (_, value, mustSplit) => {
  const json = JSON.stringify(value);
  const parts = splitJson(json, "json_1");
  expect(parts !== null).toBe(mustSplit);
  const joiner = new JsonJoiner();
  const chunks: ChunkType[] = parts?.map(chunkOf) ?? [{ type: "Json", data: value }];
  const joined = chunks.map((chunk) => {
    expect(new TextEncoder().encode(JSON.stringify(chunk)).byteLength).toBeLessThan(1024 * 1024);
    expect(JSON.stringify(chunk).isWellFormed()).toBe(true);
    return joiner.take(chunk);
  });
  expect(joined.slice(0, -1)).toEqual(joined.slice(0, -1).map(() => null));
  expect(joined.at(-1) === json).toBe(true);
});

test("other chunks have no JSON value, and don't stand between the parts of one", () => {
  const parts = splitJson(JSON.stringify("x".repeat(1_000_000)), "json_1") ?? [];
  const joiner = new JsonJoiner();
  const taken = parts.flatMap((part) => [
    joiner.take(chunkOf(part)),
    joiner.take({ type: "Text", content: "a" }),
  ]);
  expect(taken.filter((json) => json !== null)).toHaveLength(1);
});

test("a value of which a part is missing is an error, and not half a value", () => {
  const parts = splitJson(JSON.stringify("x".repeat(1_000_000)), "json_1") ?? [];
  const [first, second, third, last] = parts.map(chunkOf);
  const joiner = new JsonJoiner();
  joiner.take(first!);
  expect(() => joiner.take(third!)).toThrow("part 2 of the JSON value json_1 is missing");
  expect(() => new JsonJoiner().take(second!)).toThrow("missing");
  // The value was begun again by a writer that took over.
  const again = new JsonJoiner();
  const taken = [first, second, first, second, third, last].map((chunk) => again.take(chunk!));
  expect(taken.at(-1)).toBe(JSON.stringify("x".repeat(1_000_000)));
});

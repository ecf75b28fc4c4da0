import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assertStreamId, isStreamId, partitionOf } from "./stream-id.ts";

describe("isStreamId", () => {
  it("takes 1 to 128 of A-Z a-z 0-9 _ -", () => {
    for (const id of ["a", "Z", "0", "_", "-", "550e8400-e29b-41d4-a716-446655440000", "x".repeat(128)]) {
      expect(isStreamId(id), id).toBe(true);
    }
  });

  it("refuses what would have a meaning in a subject, a key, a URL or JSON", () => {
    for (const id of [
      "",
      "x".repeat(129),
      "a.b",
      "*",
      ">",
      "a b",
      "a\n",
      "a:b",
      "{a}",
      "a/b",
      "a%",
      'a"',
      "ä",
      "💥",
    ]) {
      expect(isStreamId(id), JSON.stringify(id)).toBe(false);
    }
  });
});

describe("assertStreamId", () => {
  it("gives an id back, and refuses everything else with the rule", () => {
    expect(assertStreamId("a-1")).toBe("a-1");
    for (const value of ["a.b", "", undefined, null, 7, ["a"], { toString: () => "a" }]) {
      expect(() => assertStreamId(value)).toThrow(
        expect.objectContaining({
          code: "INVALID_STREAM_ID",
          message: expect.stringContaining("1 to 128 characters") as string,
        }),
      );
    }
  });
});

describe("partitionOf", () => {
  it("is FNV-1a, 32 bit", () => {
    // Test vectors of the FNV authors; over 2^32 partitions the partition is the hash.
    const vectors = { "": 0x811c9dc5, a: 0xe40c292c, b: 0xe70c2de5, foo: 0xa9f37ed7, foobar: 0xbf9cf968 };
    for (const [text, hash] of Object.entries(vectors)) expect(partitionOf(text, 2 ** 32), text).toBe(hash);
  });

  it("puts known ids where nats-server's subject transform puts them", () => {
    const observed = {
      a: 12,
      abc: 11,
      "0": 15,
      _: 14,
      "-": 24,
      "A_b-9": 23,
      "stream-id-123": 24,
      "550e8400-e29b-41d4-a716-446655440000": 8,
      ["x".repeat(128)]: 5,
    };
    for (const [id, partition] of Object.entries(observed)) expect(partitionOf(id, 32), id).toBe(partition);
  });

  it("is always one of the partitions", () => {
    const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/);
    fc.assert(
      fc.property(id, fc.integer({ min: 1, max: 4_096 }), (id, partitions) => {
        const partition = partitionOf(id, partitions);
        expect(Number.isInteger(partition) && partition >= 0 && partition < partitions).toBe(true);
      }),
    );
  });
});

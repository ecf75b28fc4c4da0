import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  MAX_STREAMS_PER_CONNECTION,
  decodeMultiPosition,
  encodeMultiPosition,
  fitsEventId,
} from "./multi-position.ts";

const sequence = fc.maxSafeNat();
const streamId = fc.string({
  minLength: 1,
  maxLength: 128,
  unit: fc.constantFrom("a", "Z", "0", "9", "_", "-"),
});
const positions = fc.record({
  listed: fc.array(fc.option(fc.oneof(sequence, fc.constant("dropped" as const))), {
    minLength: 1,
    maxLength: MAX_STREAMS_PER_CONNECTION,
  }),
  added: fc.array(fc.record({ streamId, sequence }), { maxLength: 8 }),
});

describe("the position of a connection of many streams", () => {
  test("comes back as it went, and is never longer than a client can send", () => {
    fc.assert(
      fc.property(positions, (position) => {
        const ids = position.added.map(({ streamId }) => streamId);
        fc.pre(fitsEventId(position.listed.length, ids) && position.listed[0] !== null);
        const text = encodeMultiPosition(position);
        expect(text.length).toBeLessThanOrEqual(2_048);
        expect(decodeMultiPosition(text, position.listed.length)).toEqual(position);
      }),
    );
  });

  test("is short: 64 streams of a thousand chunks each in 200 bytes", () => {
    const listed = Array<number>(64).fill(1_000);
    expect(encodeMultiPosition({ listed, added: [] }).length).toBeLessThan(200 + 1);
  });

  test("isn't sent where nothing has begun: an empty id would make a browser forget its own", () => {
    expect(encodeMultiPosition({ listed: [null, null], added: [] })).toBe("");
    expect(encodeMultiPosition({ listed: [null], added: [{ streamId: "a", sequence: 0 }] })).toBe(",a:0");
  });

  test.each([
    ["of another number of streams", "1.2.3"],
    ["of one stream", "1"],
    ["with characters that are none", "1.A"],
    ["beyond all sequences", "1.zzzzzzzzzzz"],
    ["with an addition without position", "1.2,a"],
    ["with an addition that is no stream", "1.2,a b:1"],
    ["longer than any", `1.2${",a:1".repeat(1_000)}`],
  ])("is refused %s", (_what, text) => {
    expect(() => decodeMultiPosition(text, 2)).toThrow("last event id");
  });
});

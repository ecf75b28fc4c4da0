import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fairShare } from "./fair-share.ts";

const memberLists = fc
  .uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 40 })
  .map((ids) => ids.toSorted());

test("the members' shares sum up to all partitions and differ by one at most", () => {
  fc.assert(
    fc.property(memberLists, fc.integer({ min: 1, max: 256 }), (members, partitions) => {
      const shares = members.map((member) => fairShare(members, member, partitions));
      expect(shares.reduce((sum, share) => sum + share, 0)).toBe(partitions);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
    }),
  );
});

test("who isn't a member gets nothing", () => {
  expect(fairShare(["a", "b"], "c", 32)).toBe(0);
  expect(fairShare([], "c", 32)).toBe(0);
});

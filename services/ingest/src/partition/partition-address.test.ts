import { partitionOf } from "@sluice/core";
import { expect, test } from "vitest";
import { PartitionAddress } from "./partition-address.ts";

/** Ids that any login of NATS may put where one is expected. */
const NO_IDS = [
  "",
  'a"b',
  "a:b",
  "{p1}",
  "ä",
  "a".repeat(129),
  "a b",
  "a\n",
  "$JS",
  "../x",
  "\u202Ea",
  "a.b",
];

test("a partition's streams are the valid ids that the log's transform puts there, and no others", () => {
  const addresses = Array.from({ length: 4 }, (_, partition) => new PartitionAddress(partition, 4));
  for (let index = 0; index < 200; index++) {
    const streamId = `s${index}`;
    const having = addresses.flatMap((address, partition) => (address.has(streamId) ? [partition] : []));
    expect(having).toEqual([partitionOf(streamId, 4)]);
    const foreign = addresses[(partitionOf(streamId, 4) + 1) % 4];
    expect(() => foreign?.assertHas(streamId)).toThrow(/is not of partition/);
  }
  for (const id of NO_IDS) {
    for (const address of addresses) {
      expect(address.has(id)).toBe(false);
      expect(() => address.assertHas(id)).toThrow("1 to 128 characters");
    }
  }
});

import { expect, test } from "vitest";
import { AddressCounts, clientOf } from "./address-counts.ts";

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:1:2::", "2001:db8:1:2::/64"],
  ["2001:0db8:0001:0002::9", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["", ""],
])("%s stands for the client %s", (address, client) => {
  expect(clientOf(address)).toBe(client);
});

test("what is given back takes no memory", () => {
  const counts = new AddressCounts();
  counts.add("2001:db8::1", 2);
  counts.add("2001:db8::2", 1);
  expect([counts.of("2001:db8::3"), counts.size]).toEqual([3, 1]);
  counts.add("2001:db8::1", -3);
  expect([counts.of("2001:db8::1"), counts.size]).toEqual([0, 0]);
});

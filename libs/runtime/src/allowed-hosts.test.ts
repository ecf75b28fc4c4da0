import type { IncomingMessage } from "node:http";
import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import { createHostCheck, isLoopback } from "./allowed-hosts.ts";

interface Given {
  hosts?: string[];
  url?: string;
  version?: string;
}

/** The code that the request is refused with; null: it isn't. */
function refusal(allowed: string, bind: string, { hosts = [], url = "/", version = "1.1" }: Given) {
  const request = { headersDistinct: { host: hosts }, url, httpVersion: version };
  if (hosts.length === 0) request.headersDistinct = {} as { host: string[] };
  return createHostCheck(allowed, bind)(request as unknown as IncomingMessage)?.code ?? null;
}

const LOCAL = "127.0.0.1";
const ANY = "0.0.0.0";

test.each([
  ["a name of nobody's", "", LOCAL, "evil.example", "MISDIRECTED"],
  ["the same with a port", "", LOCAL, "evil.example:8081", "MISDIRECTED"],
  ["a name that begins as an allowed one", "", LOCAL, "localhost.evil.example", "MISDIRECTED"],
  ["a name that ends as an allowed one", "app.example", LOCAL, "evilapp.example", "MISDIRECTED"],
  ["a number that browsers take for an address", "", LOCAL, "2130706433", "MISDIRECTED"],
  ["another number of that kind", "", LOCAL, "0x7f.1", "MISDIRECTED"],
  ["a name without a dot, which public DNS doesn't have", "", LOCAL, "gateway:8081", null],
  ["the same, where all connect", "", ANY, "edge", null],
  ["the same, where names are listed", "app.example", ANY, "gateway", "MISDIRECTED"],
  ["localhost", "", LOCAL, "localhost:8081", null],
  ["localhost in capitals and with a dot", "", LOCAL, "LOCALHOST.:8081", null],
  ["a name below localhost", "", LOCAL, "app.localhost", null],
  ["this machine's address", "", LOCAL, "127.0.0.1:8081", null],
  ["another one of its addresses", "", LOCAL, "127.9.9.9", null],
  ["its address in IPv6", "", LOCAL, "[::1]:8081", null],
  ["an address of elsewhere, where only this machine connects", "", LOCAL, "192.0.2.7", "MISDIRECTED"],
  ["the same in IPv6", "", "::1", "[2001:db8::1]", "MISDIRECTED"],
  ["an address, where all connect, as a probe does", "", ANY, "10.2.3.4:8080", null],
  ["the same in IPv6", "", "::", "[fd00::1]:8080", null],
  ["a name, where all connect", "", ANY, "evil.example", "MISDIRECTED"],
  ["this machine's name, where all connect", "", ANY, hostname(), null],
  ["an address, whatever is listed", "app.example", ANY, "10.2.3.4", null],
  ["localhost, whatever is listed", "app.example", ANY, "localhost", null],
  ["a listed name", "app.example, other.example", ANY, "other.example:443", null],
  ["a listed name in capitals", "App.Example", ANY, "aPP.example.", null],
  ["a name below a listed one", "app.example", ANY, "x.app.example", "MISDIRECTED"],
  ["a name below a pattern", "*.example.com", ANY, "a.b.example.com", null],
  ["the pattern's own name", "*.example.com", ANY, "example.com", "MISDIRECTED"],
  ["a listed name with its port", "app.example:8443", ANY, "app.example:8443", null],
  ["a listed name with another port", "app.example:8443", ANY, "app.example:81", "MISDIRECTED"],
  ["any name where all are listed", "*", ANY, "evil.example", null],
])("%s is judged by list and address", (_what, allowed, bind, host, expected) => {
  expect(refusal(allowed, bind, { hosts: [host] })).toBe(expected);
});

describe("a request whose host can't be told is refused", () => {
  test.each([
    ["none", { hosts: [] }],
    ["an empty one", { hosts: [""] }],
    ["two", { hosts: ["localhost", "localhost"] }],
    ["two in one", { hosts: ["localhost, evil.example"] }],
    ["a user before it", { hosts: ["evil.example@localhost"] }],
    ["a path behind it", { hosts: ["localhost/evil"] }],
    ["a port that is none", { hosts: ["localhost:x"] }],
    ["a port that is too large", { hosts: ["localhost:99999"] }],
    ["a blank in it", { hosts: ["local host"] }],
    ["letters of other scripts", { hosts: ["löcalhost"] }],
    ["half an address", { hosts: ["[::1"] }],
  ])("%s", (_what, given) => {
    expect(refusal("localhost", LOCAL, given)).toBe("INVALID_REQUEST");
  });
});

test("a request target that is a whole URL counts beside the header", () => {
  expect(refusal("", LOCAL, { hosts: ["localhost"], url: "http://evil.example/streams" })).toBe(
    "MISDIRECTED",
  );
  expect(refusal("", LOCAL, { hosts: ["evil.example"], url: "http://localhost/streams" })).toBe(
    "MISDIRECTED",
  );
  expect(refusal("", LOCAL, { hosts: ["localhost"], url: "http://localhost:80/streams" })).toBeNull();
});

test("HTTP/1.0 needs no host: checks of balancers have none", () => {
  expect(refusal("", LOCAL, { version: "1.0" })).toBeNull();
});

test("loopback addresses are told apart", () => {
  const local = [
    "localhost",
    "127.0.0.1",
    "127.8.0.1",
    "::1",
    "[::1]",
    "::ffff:127.0.0.1",
    "0:0:0:0:0:0:0:1",
  ];
  expect(local.filter((address) => !isLoopback(address))).toEqual([]);
  const others = ["0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "fe80::1", "example.com", "127.evil.example"];
  expect(others.filter((address) => isLoopback(address))).toEqual([]);
});

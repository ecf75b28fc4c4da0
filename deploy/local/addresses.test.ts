import { createHostCheck } from "@sluice/runtime";
import type { IncomingMessage } from "node:http";
import { hostname } from "node:os";
import { expect, test } from "vitest";
import { addressesOf } from "./addresses.ts";

const PORTS = { edge: 8080, gateway: 8081 };

const isServed = (host: string, { allowedHosts, host: bind }: ReturnType<typeof addressesOf>): boolean => {
  const request = { headersDistinct: { host: [host] }, url: "/", httpVersion: "1.1" };
  return createHostCheck(allowedHosts, bind)(request as unknown as IncomingMessage) === null;
};

test("by default only this machine can connect, and only by its own names", () => {
  const addresses = addressesOf("127.0.0.1", PORTS, {});
  expect(addresses).toMatchObject({
    isOpen: false,
    urls: { edge: "http://127.0.0.1:8080", gateway: "http://127.0.0.1:8081" },
    corsOrigins: "*,http://127.0.0.1:8081,http://localhost:8081",
  });
  expect(isServed("127.0.0.1:8081", addresses)).toBe(true);
  expect(isServed("localhost:8081", addresses)).toBe(true);
  expect(isServed("evil.example", addresses)).toBe(false);
  expect(isServed("192.0.2.7", addresses)).toBe(false);
});

test("opened, it is reached by its addresses and names, and its pages may write at the edge from each", () => {
  for (const host of ["0.0.0.0", "::", "192.0.2.7"]) {
    const addresses = addressesOf(host, PORTS, {});
    expect(addresses.isOpen).toBe(true);
    for (const name of ["192.0.2.7", "localhost", hostname(), `${hostname()}.local:8081`])
      expect(isServed(name, addresses)).toBe(true);
    expect(isServed("evil.example", addresses)).toBe(false);
    expect(addresses.corsOrigins.split(",")).toContain(addresses.urls.gateway);
    expect(addresses.urls.gateway).not.toContain("0.0.0.0");
  }
});

test("what the user sets counts besides", () => {
  const environment = { ALLOWED_HOSTS: "app.example", CORS_ORIGINS: "https://app.example" };
  const addresses = addressesOf("127.0.0.1", PORTS, environment);
  expect(isServed("app.example", addresses)).toBe(true);
  expect(addresses.corsOrigins.split(",")).toContain("https://app.example");
});

test("an address of IPv6 stands in brackets", () => {
  expect(addressesOf("::1", PORTS, {}).urls.edge).toBe("http://[::1]:8080");
});

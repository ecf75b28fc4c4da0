import { describe, expect, test } from "vitest";
import { isAtLeast, parseVersion } from "./version.ts";

describe("a version", () => {
  test("is read from what nats-server and redis-server print", () => {
    expect(parseVersion("nats-server: v2.12.15")).toBe("2.12.15");
    expect(parseVersion("nats-server: v2.12.2-RC.1")).toBe("2.12.2");
    expect(parseVersion("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1d")).toBe(
      "7.0.15",
    );
  });

  test("is undefined where there is none", () => {
    expect(parseVersion("command not found")).toBeUndefined();
  });

  test("is compared by number, not by letter", () => {
    expect(isAtLeast("2.9.10", "2.10.0")).toBe(false);
    expect(isAtLeast("2.10.0", "2.10.0")).toBe(true);
    expect(isAtLeast("2.10.1", "2.10.0")).toBe(true);
    expect(isAtLeast("10.0.0", "9.9.9")).toBe(true);
  });
});

import { describe, expect, test } from "vitest";
import type { LauncherState } from "./state.ts";
import { statusJson } from "./status-report.ts";

describe("the status for programs", () => {
  test("has the urls and the pid of each process", () => {
    const state: LauncherState = {
      launcher: { pid: 1, mode: "processes", ready: true },
      urls: {
        edge: "http://127.0.0.1:8080",
        gateway: "http://127.0.0.1:8081",
        nats: "nats://127.0.0.1:4222",
        redis: "redis://127.0.0.1:6379",
        admin: { "edge-1": "http://127.0.0.1:9101" },
      },
      processes: [{ name: "edge-1", pid: 2 }],
    };
    expect(JSON.parse(statusJson(state))).toEqual(state);
  });

  test("has the same shape when nothing runs", () => {
    expect(JSON.parse(statusJson(undefined))).toEqual({
      launcher: null,
      urls: { edge: null, gateway: null, nats: null, redis: null, admin: {} },
      processes: [],
    });
  });
});

import { loadConfig } from "@sluice/runtime";
import { describe, expect, test } from "vitest";
import { edgeConfigSchema } from "./config.ts";

describe("the settings", () => {
  test("come from variables with units in their names", () => {
    const settings = loadConfig(edgeConfigSchema, {
      BUFFER_SIZE: "7",
      KEEP_ALIVE_INTERVAL_MS: "5",
      PORT: "0",
    });
    expect(settings).toMatchObject({ bufferSize: 7, keepAliveIntervalMs: 5, port: 0, maxWaitMs: 30_000 });
  });

  test.each([
    [{ SOFT_RSS_BYTES: "2", HARD_RSS_BYTES: "1" }, "SOFT_RSS_BYTES"],
    [{ PAGE_BYTES: "2", MAX_HELD_BYTES: "1" }, "PAGE_BYTES"],
    [{ TAIL_GRACE_MS: "2", HEAD_CHECK_INTERVAL_MS: "1" }, "TAIL_GRACE_MS"],
  ])("that contradict each other are refused: %o", (env, name) => {
    expect(() => loadConfig(edgeConfigSchema, env)).toThrow(name);
  });
});

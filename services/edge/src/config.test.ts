import { loadConfig } from "@sluice/runtime";
import { describe, expect, test } from "vitest";
import { edgeConfigSchema, edgeSettingsOf } from "./config.ts";
import { DEFAULT_EDGE_SETTINGS } from "./settings.ts";

describe("the settings", () => {
  test("are the defaults where the environment says nothing", () => {
    expect(edgeSettingsOf(loadConfig(edgeConfigSchema, {}))).toEqual(DEFAULT_EDGE_SETTINGS);
  });

  test("come from variables with units in their names", () => {
    const config = loadConfig(edgeConfigSchema, { BUFFER_SIZE: "7", KEEP_ALIVE_INTERVAL_MS: "5", PORT: "0" });
    expect(edgeSettingsOf(config)).toMatchObject({ bufferSize: 7, keepAliveIntervalMs: 5 });
    expect(config.PORT).toBe(0);
  });

  test.each([
    [{ SOFT_RSS_BYTES: "2", HARD_RSS_BYTES: "1" }, "SOFT_RSS_BYTES"],
    [{ PAGE_BYTES: "2", MAX_HELD_BYTES: "1" }, "PAGE_BYTES"],
    [{ TAIL_GRACE_MS: "2", HEAD_CHECK_INTERVAL_MS: "1" }, "TAIL_GRACE_MS"],
  ])("that don't hold together are refused: %o", (env, name) => {
    expect(() => loadConfig(edgeConfigSchema, env)).toThrow(name);
  });
});

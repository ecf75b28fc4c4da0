import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import {
  ConfigError,
  defaultSettings,
  field,
  loadConfig,
  MAX_TIMER_MS,
  warnRenamed,
  type RenamedSetting,
} from "./config.ts";

const table = z.object({
  PORT: field.port(8080),
  API_KEY: field.optionalText(),
  IS_OPEN: field.boolean(true),
  RETRY_TIMEOUT_MS: field.milliseconds(15_000, { min: 0 }).meta({ oldName: "PATIENCE_MS" }),
});

const directory = mkdtempSync(join(tmpdir(), "sluice-config-"));
afterAll(() => rmSync(directory, { recursive: true }));

function load(env: Record<string, string>): { settings: object; renamed: RenamedSetting[] } {
  const renamed: RenamedSetting[] = [];
  return { settings: loadConfig(table, env, (setting) => renamed.push(setting)), renamed };
}

function problemsOf(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n").slice(1);
    throw error;
  }
  return [];
}

describe("settings", () => {
  test("are the table's defaults by camel-case names, and frozen", () => {
    const settings = loadConfig(table, { PORT: "" });
    expect(settings).toEqual({ port: 8080, isOpen: true, retryTimeoutMs: 15_000 });
    expect(settings).toEqual(defaultSettings(table));
    expect(Object.isFrozen(settings)).toBe(true);
  });

  test("come from the environment, and secrets from files", () => {
    const path = join(directory, "key");
    writeFileSync(path, "secret\n");
    const { settings } = load({ PORT: "1", API_KEY_FILE: path, RETRY_TIMEOUT_MS: "0", OTHER: "x" });
    expect(settings).toEqual({ port: 1, apiKey: "secret", isOpen: true, retryTimeoutMs: 0 });
  });

  test("are refused with all problems at once, those of files too", () => {
    const problems = problemsOf(() =>
      load({ PORT: "x", IS_OPEN: "perhaps", API_KEY_FILE: join(directory, "none") }),
    );
    expect(problems).toEqual([
      expect.stringMatching(/^ {2}API_KEY_FILE: ENOENT/),
      expect.stringMatching(/^ {2}PORT: /),
      expect.stringMatching(/^ {2}IS_OPEN: /),
    ]);
  });
});

describe("durations", () => {
  const durations = z.object({
    A_MS: field.milliseconds(1),
    B_MS: field.milliseconds(0, { min: 0 }),
    C_SECONDS: field.seconds(1),
  });

  test("may be as long as a timer can wait", () => {
    const settings = loadConfig(durations, { A_MS: String(MAX_TIMER_MS), B_MS: "2147483647" });
    expect(settings).toMatchObject({ aMs: 2_147_483_647, bMs: 2_147_483_647 });
  });

  test("beyond that are refused, each by name: a longer timer would fire at once", () => {
    const tooLong = { A_MS: "2147483648", B_MS: "1e15", C_SECONDS: "2147483648" };
    expect(problemsOf(() => loadConfig(durations, tooLong))).toEqual([
      expect.stringMatching(/A_MS: must be at most 2147483647 ms/),
      expect.stringMatching(/B_MS: must be at most 2147483647 ms/),
      expect.stringMatching(/C_SECONDS: /),
    ]);
  });

  test.each(["0", "-1", "1.5", "Infinity", "NaN"])(
    "of %s ms are refused where none makes no sense",
    (A_MS) => {
      expect(problemsOf(() => loadConfig(durations, { A_MS }))).toHaveLength(1);
    },
  );
});

describe("a renamed setting", () => {
  test("is read by its old name, with one warning that names the new one", () => {
    const { settings, renamed } = load({ PATIENCE_MS: "7" });
    expect(settings).toMatchObject({ retryTimeoutMs: 7 });
    const warn = vi.fn();
    warnRenamed({ warn }, renamed);
    expect(warn.mock.calls).toEqual([
      [
        { oldName: "PATIENCE_MS", name: "RETRY_TIMEOUT_MS", isIgnored: false },
        expect.stringContaining("old name"),
      ],
    ]);
  });

  test("counts by its new name where both are given, with a warning all the same", () => {
    const { settings, renamed } = load({ PATIENCE_MS: "7", RETRY_TIMEOUT_MS: "8" });
    expect(settings).toMatchObject({ retryTimeoutMs: 8 });
    expect(renamed).toEqual([{ oldName: "PATIENCE_MS", name: "RETRY_TIMEOUT_MS", isIgnored: true }]);
  });

  test("is read from a file by its old name, too", () => {
    const path = join(directory, "patience");
    writeFileSync(path, "9\n");
    expect(load({ PATIENCE_MS_FILE: path }).settings).toMatchObject({ retryTimeoutMs: 9 });
  });

  test("gives no warning by its new name", () => {
    expect(load({ RETRY_TIMEOUT_MS: "8" }).renamed).toEqual([]);
  });

  test("with a bad value is refused by both names", () => {
    expect(problemsOf(() => load({ PATIENCE_MS: "soon" }))).toEqual([
      expect.stringMatching(/RETRY_TIMEOUT_MS \(given as PATIENCE_MS\): /),
    ]);
  });
});

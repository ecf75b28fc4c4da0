import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AlreadyRunningError, NOTHING_RUNS, claimState, clearState, readState, writeState } from "./state.ts";
import type { LauncherState } from "./state.ts";

let directory: string;
let file: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-state-test-"));
  file = join(directory, "run", "state.json");
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

function stateOf(pid: number): LauncherState {
  return { launcher: { pid, mode: "processes", ready: false }, urls: NOTHING_RUNS, processes: [] };
}

describe("the state file", () => {
  test("is claimed by one launcher; another one is refused and told how to stop it", () => {
    claimState(file, stateOf(process.pid));
    expect(() => claimState(file, stateOf(process.pid))).toThrow(AlreadyRunningError);
    expect(() => claimState(file, stateOf(process.pid))).toThrow("`npm run stop` ends it");
  });

  test("that a dead launcher left counts for nothing and is taken over", async () => {
    const gone = spawnSync(process.execPath, ["--version"]).pid;
    claimState(file, stateOf(gone));
    expect(readState(file)).toBeUndefined();
    claimState(file, stateOf(process.pid));
    expect(readState(file)?.launcher.pid).toBe(process.pid);
    expect(await readdir(dirname(file))).toEqual(["state.json"]);
  });

  test("that is torn is taken over", async () => {
    claimState(file, stateOf(process.pid));
    await writeFile(file, '{"launch');
    claimState(file, stateOf(process.pid));
    expect(readState(file)?.launcher.pid).toBe(process.pid);
  });

  test("is replaced as a whole, and cleared", () => {
    claimState(file, stateOf(process.pid));
    writeState(file, { ...stateOf(process.pid), processes: [{ name: "edge-1", pid: 1 }] });
    expect(readState(file)?.processes).toEqual([{ name: "edge-1", pid: 1 }]);
    clearState(file);
    expect(existsSync(file)).toBe(false);
    expect(readState(file)).toBeUndefined();
  });
});

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, waitUntil } from "@sluice/servers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { homeAt } from "./paths.ts";
import type { LauncherState } from "./state.ts";

const LAUNCH_TIMEOUT_MS = 180_000;
const STUBS = join(import.meta.dirname, "stub-services");

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "sluice-launcher-test-"));
});

afterEach(async () => {
  await run("stop");
  await rm(home, { recursive: true });
});

interface Outcome {
  readonly code: number;
  readonly output: string;
}

function run(script: "start" | "stop" | "status", ...args: string[]): Promise<Outcome> {
  const file = join(import.meta.dirname, `${script}.ts`);
  return new Promise((resolve) => {
    execFile(process.execPath, [file, "--home", home, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

const startStubs = (...args: string[]): Promise<Outcome> =>
  run("start", "--detach", "--auto-ports", "--services", STUBS, ...args);

async function status(): Promise<LauncherState> {
  return JSON.parse((await run("status", "--json")).output) as LauncherState;
}

describe("the launcher", { timeout: LAUNCH_TIMEOUT_MS }, () => {
  test("starts all, streams an answer, tells where it is, restarts what dies, and ends all", async () => {
    const started = await startStubs();
    expect(started.output).toContain("Water waits here.\n");
    expect(started.output).toContain("(3 chunks in ");
    expect(started.output).toContain("Sluice is ready.");
    expect(started.code).toBe(0);

    const { urls, processes, launcher } = await status();
    expect(launcher.ready).toBe(true);
    const services = ["edge-1", "edge-2", "gateway", "ingest-1", "ingest-2", "worker"];
    expect(processes.map(({ name }) => name).toSorted()).toEqual([...services, "nats", "redis"].toSorted());
    expect(processes.every(({ pid }) => pid !== null && isAlive(pid))).toBe(true);
    expect(Object.keys(urls.admin).toSorted()).toEqual(services);
    for (const url of [urls.edge, urls.gateway, urls.nats, urls.redis])
      expect(url).toMatch(/^\w+:\/\/127\.0\.0\.1:\d+$/);
    expect((await run("status")).output).toMatch(/edge-2 +\d+ +ready +http/);

    const second = await startStubs();
    expect(second.code).toBe(1);
    expect(second.output).toContain(`Sluice already runs here (launcher pid ${launcher.pid})`);

    const edgePid = async (): Promise<number | null | undefined> =>
      (await status()).processes.find(({ name }) => name === "edge-1")?.pid;
    const killed = (await edgePid()) ?? 0;
    process.kill(killed, "SIGKILL");
    await waitUntil("the new edge", async () => ![killed, null].includes((await edgePid()) ?? null), {
      timeoutMs: 10_000,
    });

    const last = await status();
    expect((await run("stop")).output).toContain("Stopped.");
    expect(last.processes.filter(({ pid }) => isAlive(pid ?? 0))).toEqual([]);
    expect((await run("status")).code).toBe(1);
    expect(JSON.parse((await run("status", "--json")).output)).toMatchObject({
      launcher: null,
      processes: [],
    });
  });

  test("takes its children along when it is killed, and starts again after that", async () => {
    await startStubs("--edges", "1", "--ingest", "1");
    const { launcher, processes } = await status();
    process.kill(launcher.pid, "SIGKILL");
    await waitUntil(
      "the end of all",
      () => Promise.resolve(!processes.some(({ pid }) => isAlive(pid ?? 0))),
      {
        timeoutMs: 5_000,
      },
    );
    expect((await run("status")).code).toBe(1);
    expect((await startStubs("--edges", "1", "--ingest", "1")).code).toBe(0);
  });

  test("leaves nothing behind when a service does not start", async () => {
    const failed = await startStubs("--services", join(home, "no-such-folder"));
    expect(failed.code).toBe(1);
    expect(failed.output).toContain("did not start");
    expect(existsSync(homeAt(home).stateFile)).toBe(false);
  });
});

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, httpAnswersOk, isAlive, waitUntil } from "@sluice/servers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ProcessSpec } from "./managed-process.ts";
import { Supervisor } from "./supervisor.ts";

let directory: string;
let reported: string[];
let supervisor: Supervisor;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-supervisor-test-"));
  reported = [];
});

afterEach(async () => {
  await supervisor.stop();
  await rm(directory, { recursive: true });
});

function supervise(...specs: ProcessSpec[]): Supervisor {
  supervisor = new Supervisor(specs, {
    logDirectory: directory,
    report: (line) => reported.push(line),
    onChange: () => {},
    readyTimeoutMs: 5_000,
  });
  return supervisor;
}

/** A program that appends its name to a shared file when SIGTERM asks it to end. */
async function server(name: string, group = 0): Promise<ProcessSpec> {
  const port = await freePort();
  const program = `
    const server = require("node:http").createServer((_, response) => response.end("ok")).listen(${port});
    process.on("SIGTERM", () => {
      require("node:fs").appendFileSync(${JSON.stringify(join(directory, "ended"))}, "${name}\\n");
      process.exit(0);
    });`;
  return spec(name, program, () => httpAnswersOk(`http://127.0.0.1:${port}/`), group);
}

function spec(name: string, program: string, isReady: () => Promise<boolean>, group = 0): ProcessSpec {
  return { name, command: process.execPath, args: ["--eval", program], env: process.env, isReady, group };
}

function pidOf(name: string): number {
  return supervisor.processes.find((running) => running.name === name)?.pid ?? 0;
}

describe("the supervisor", () => {
  test("is started when every process is ready", async () => {
    await supervise(await server("first"), await server("second")).start();
    expect(supervisor.processes.map(({ name }) => name)).toEqual(["first", "second"]);
    expect(supervisor.processes.every(({ pid }) => pid !== null && isAlive(pid))).toBe(true);
  });

  test("starts a killed process again, and reports it in one line", async () => {
    await supervise(await server("first"), await server("second")).start();
    const before = supervisor.processes;
    process.kill(pidOf("first"), "SIGKILL");
    await waitUntil("the restart", () => Promise.resolve(reported.some((line) => line.includes("is back"))), {
      timeoutMs: 5_000,
    });
    expect(reported[0]).toMatch(
      /^first \(pid \d+\) ended with SIGKILL; starting it again in 0\.25 s \(log: /,
    );
    expect(reported).toHaveLength(2);
    expect(pidOf("first")).not.toBe(before[0]?.pid);
    expect(pidOf("second")).toBe(before[1]?.pid);
  });

  test("waits longer each time while a process keeps falling", async () => {
    const file = join(directory, "ran-before");
    const once = `const fs = require("node:fs");
      if (fs.existsSync(${JSON.stringify(file)})) process.exit(3);
      fs.writeFileSync(${JSON.stringify(file)}, "");
      setInterval(() => {}, 1000);`;
    await supervise(
      spec("falling", once, () =>
        readFile(file).then(
          () => true,
          () => false,
        ),
      ),
    ).start();
    process.kill(pidOf("falling"), "SIGKILL");
    await waitUntil(
      "three ends",
      () => Promise.resolve(reported.filter((line) => line.includes("ended")).length > 2),
      {
        timeoutMs: 10_000,
      },
    );
    const delays = reported.flatMap((line) => /again in ([\d.]+) s/.exec(line)?.[1] ?? []);
    expect(delays.slice(0, 3)).toEqual(["0.25", "0.5", "1"]);
  });

  test("stops all, the last group first", async () => {
    await supervise(await server("servers", 0), await server("edge", 1), await server("worker", 2)).start();
    const pids = supervisor.processes.map(({ pid }) => pid ?? 0);
    await supervisor.stop();
    expect(pids.some(isAlive)).toBe(false);
    expect(await readFile(join(directory, "ended"), "utf8")).toBe("worker\nedge\nservers\n");
  });

  test("leaves nothing running when one process can not start, and shows the end of its log", async () => {
    const broken = spec(
      "broken",
      'console.error("no such setting"); process.exit(2)',
      () => Promise.resolve(false),
      1,
    );
    const starting = supervise(await server("healthy"), broken).start();
    await expect(starting).rejects.toThrow(
      /^broken did not start: .*ended with exit code 2\n {2}\| no such setting$/,
    );
    expect(supervisor.processes.map(({ pid }) => pid)).toEqual([null, null]);
  });

  test("says when a program is not there", async () => {
    const missing = { ...(await server("missing")), command: "/nonexistent/program" };
    await expect(supervise(missing).start()).rejects.toThrow(/missing did not start: can not run: .*ENOENT/);
  });

  test("kills all at once when told so, also what ignores SIGTERM", async () => {
    const port = await freePort();
    const stubborn = `process.on("SIGTERM", () => {}); require("node:http").createServer((_, r) => r.end()).listen(${port})`;
    await supervise(spec("stubborn", stubborn, () => httpAnswersOk(`http://127.0.0.1:${port}/`))).start();
    const pid = pidOf("stubborn");
    const stopping = supervisor.stop();
    supervisor.killAll();
    await stopping;
    expect(isAlive(pid)).toBe(false);
  });
});

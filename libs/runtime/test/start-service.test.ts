import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, expect, test, vi } from "vitest";

const MAIN = new URL("tiny-service.ts", import.meta.url).pathname;
const DEADLINE = { timeout: 10_000, interval: 20 };

let child: ChildProcess | undefined;

afterEach(() => void child?.kill("SIGKILL"));

interface Run {
  /** Messages of its log and its adapters, in order. */
  readonly said: string[];
  readonly lines: Record<string, unknown>[];
  readonly errors: () => string;
  readonly exit: Promise<unknown>;
  kill(signal: NodeJS.Signals): void;
}

function run(env: Record<string, string> = {}): Run {
  const started = spawn(process.execPath, [MAIN], { env: { ...process.env, ...env } });
  child = started;
  const lines: Record<string, unknown>[] = [];
  const said: string[] = [];
  let errors = "";
  started.stderr.on("data", (data) => (errors += String(data)));
  createInterface(started.stdout).on("line", (line) => {
    const parsed = JSON.parse(line) as Record<string, unknown>;
    lines.push(parsed);
    said.push(String(parsed["msg"]));
  });
  const exit = once(started, "exit").then(([code]: unknown[]) => code);
  return { said, lines, errors: () => errors, exit, kill: (signal) => void started.kill(signal) };
}

async function readiness(service: Run): Promise<unknown> {
  const { adminPort } = service.lines.find(({ msg }) => msg === "edge runs") ?? {};
  return (await fetch(`http://127.0.0.1:${String(adminPort)}/readyz`)).json();
}

test("a service opens what it needs, says that it runs, and closes in the order that lets it drain", async () => {
  const service = run();
  await vi.waitFor(() => expect(service.said).toContain("edge runs"), DEADLINE);
  expect(service.lines.at(-1)).toMatchObject({ service: "edge", port: 7 });
  expect(await readiness(service)).toEqual({ status: "not ready", unmet: { mood: "moody" } });

  service.kill("SIGTERM");
  await vi.waitFor(() => expect(service.said).toContain("drains"), DEADLINE);
  expect(await readiness(service)).toMatchObject({ unmet: { draining: "shutting down" } });
  expect(await service.exit).toBe(0);
  // Lines of the log and of the adapters come by ways of their own: each has its order.
  const fromLog = service.lines.filter((line) => "level" in line).map(({ msg }) => msg);
  expect(fromLog).toEqual(["edge runs", "shutting down", "stopped"]);
  expect(service.said.filter((msg) => !fromLog.includes(msg))).toEqual([
    "opens nats nats://127.0.0.1:4222 as sluice-edge",
    "opens redis redis://127.0.0.1:6379 as sluice-edge",
    "drains",
    "closes the service",
    "closes reports",
    "closes redis",
    "closes nats",
  ]);
});

test("a second signal ends it at once", async () => {
  const service = run({ DRAIN_TIMEOUT_MS: "60000" });
  await vi.waitFor(() => expect(service.said).toContain("edge runs"), DEADLINE);
  service.kill("SIGTERM");
  await vi.waitFor(() => expect(service.said).toContain("drains"), DEADLINE);
  service.kill("SIGTERM");
  expect(await service.exit).toBe(1);
  expect(service.said).not.toContain("closes the service");
});

test("a setting that is given by its old name is used, and warned of once", async () => {
  const service = run({ OLD_DRAIN_MS: "1" });
  await vi.waitFor(() => expect(service.said).toContain("edge runs"), DEADLINE);
  const warnings = service.lines.filter(({ level }) => level === "warn");
  expect(warnings).toEqual([expect.objectContaining({ oldName: "OLD_DRAIN_MS", name: "DRAIN_TIMEOUT_MS" })]);
  service.kill("SIGTERM");
  expect(await service.exit).toBe(0);
});

test.each([
  [
    { ADMIN_PORT: "x", DRAIN_TIMEOUT_MS: "2147483648" },
    /invalid settings\n {2}ADMIN_PORT: .*\n {2}DRAIN_TIMEOUT_MS: /,
  ],
  [{ FAILS: "true" }, /the service can't start/],
])("a start that fails exits with code 1 and the reason: %o", async (env, reason) => {
  const service = run(env);
  expect(await service.exit).toBe(1);
  expect(service.errors()).toMatch(reason);
  expect(service.said).not.toContain("edge runs");
});

import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

/** Stands in for npm: records how it was called, takes its time, installs a Node. */
const FAKE_NPM = `
  const fs = require("node:fs");
  fs.appendFileSync("calls", JSON.stringify({ args: process.argv.slice(2), env: process.env }) + "\\n");
  fs.rmSync("node_modules", { recursive: true, force: true });
  setTimeout(() => {
    if (fs.existsSync("fail")) process.exit(7);
    fs.mkdirSync("node_modules/.bin", { recursive: true });
    fs.symlinkSync(process.execPath, "node_modules/.bin/node");
  }, 300);`;

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "setup-"));
  mkdirSync(join(root, "scripts"));
  for (const name of ["setup.mjs", "run.mjs"])
    cpSync(join(import.meta.dirname, name), join(root, "scripts", name));
  writeFileSync(join(root, "package-lock.json"), "{}");
  writeFileSync(join(root, "npm-cli.js"), FAKE_NPM);
  writeFileSync(
    join(root, "echo.mjs"),
    `console.log(JSON.stringify(process.argv.slice(2))); process.exit(3);`,
  );
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [join(root, "scripts", "run.mjs"), ...args], {
    env: {
      ...process.env,
      npm_execpath: join(root, "npm-cli.js"),
      npm_node_execpath: process.execPath,
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
  child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}

function npmCalls(): { args: string[]; env: Record<string, string> }[] {
  const file = join(root, "calls");
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("it installs once, and passes arguments and the exit code through", async () => {
  const first = await run(["echo.mjs", "--detach", "a b"]);
  expect(first).toMatchObject({ code: 3, stdout: `["--detach","a b"]\n` });
  expect(first.stderr).toContain("installing dependencies");
  expect(await run(["echo.mjs"])).toEqual({ code: 3, stdout: "[]\n", stderr: "" });
  expect(npmCalls()).toHaveLength(1);
});

test("two at once install once, and both run", async () => {
  const outcomes = await Promise.all([run(["echo.mjs"]), run(["echo.mjs"]), run(["echo.mjs"])]);
  expect(outcomes.map(({ code }) => code)).toEqual([3, 3, 3]);
  expect(npmCalls()).toHaveLength(1);
  expect(existsSync(join(root, ".sluice", "setup.lock"))).toBe(false);
});

test("a changed lockfile is installed again", async () => {
  await run(["echo.mjs"]);
  writeFileSync(join(root, "package-lock.json"), `{ "changed": true }`);
  await run(["echo.mjs"]);
  expect(npmCalls()).toHaveLength(2);
});

test("an installation that fails is reported, leaves no lock and is tried again", async () => {
  writeFileSync(join(root, "fail"), "");
  const failed = await run(["echo.mjs"]);
  expect(failed).toMatchObject({ code: 1, stdout: "" });
  expect(failed.stderr).toContain("npm ci failed with code 7");
  rmSync(join(root, "fail"));
  expect(await run(["echo.mjs"])).toMatchObject({ code: 3 });
});

test("settings of an outer npm do not reach the installation, the way to the registry does", async () => {
  await run(["echo.mjs"], {
    NODE_ENV: "production",
    npm_config_omit: "dev",
    npm_config_dry_run: "true",
    npm_config_registry: "https://registry.example",
    NPM_CONFIG_PROXY: "http://proxy.example",
  });
  const [call] = npmCalls();
  expect(call?.args.slice(0, 2)).toEqual(["ci", "--ignore-scripts"]);
  expect(call?.env).toMatchObject({
    npm_config_registry: "https://registry.example",
    NPM_CONFIG_PROXY: "http://proxy.example",
  });
  for (const name of ["NODE_ENV", "npm_config_omit", "npm_config_dry_run"])
    expect(call?.env).not.toHaveProperty(name);
});

test("an old Node is refused with a sentence, before anything is installed", async () => {
  const old = join(root, "old-node");
  writeFileSync(old, "#!/bin/sh\necho v20.18.1\n");
  chmodSync(old, 0o755);
  const refused = await run(["echo.mjs"], { npm_node_execpath: old });
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toBe(
    "sluice: Sluice needs Node 20.19 or newer to install itself; this one is 20.18.\n",
  );
  expect(npmCalls()).toEqual([]);
});

test("SLUICE_NODE=system runs a file, and what that starts, under the Node that npm runs on", async () => {
  const which = `import { execFileSync } from "node:child_process";
    console.log(process.version + " " + execFileSync("node", ["--version"]).toString().trim());`;
  writeFileSync(join(root, "which.mjs"), which);
  await run(["echo.mjs"]);
  const ours = join(root, "node_modules", ".bin", "node");
  rmSync(ours);
  writeFileSync(ours, "#!/bin/sh\necho ours\n");
  chmodSync(ours, 0o755);
  expect(await run(["which.mjs"])).toMatchObject({ code: 0, stdout: "ours\n" });
  const { stdout } = await run(["which.mjs"], { SLUICE_NODE: "system" });
  expect(stdout).toBe(`${process.version} ${process.version}\n`);
});

test("the lock of a process that was killed is taken over", async () => {
  mkdirSync(join(root, ".sluice"));
  const lock = join(root, ".sluice", "setup.lock");
  writeFileSync(lock, "1 somebody");
  utimesSync(lock, 0, 0);
  const outcomes = await Promise.all([run(["echo.mjs"]), run(["echo.mjs"])]);
  expect(outcomes.map(({ code }) => code)).toEqual([3, 3]);
  expect(outcomes[0]?.stderr).toContain("waiting for it");
  expect(npmCalls()).toHaveLength(1);
});

test("a signal reaches the program, and its exit code comes back", async () => {
  await run(["echo.mjs"]);
  writeFileSync(
    join(root, "wait.mjs"),
    `process.on("SIGTERM", () => process.exit(9)); setInterval(() => {}, 1000); console.log("ready");`,
  );
  const child = spawn(process.execPath, [join(root, "scripts", "run.mjs"), "wait.mjs"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  child.stdout.once("data", () => child.kill("SIGTERM"));
  const code = await new Promise((resolve) => child.on("close", resolve));
  expect(code).toBe(9);
});

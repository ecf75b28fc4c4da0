import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

export const INSTALL_TIMEOUT_MS = 300_000;

/** Installs once what programs in other languages need. */
const cache = fileURLToPath(new URL("../../.sluice/examples", import.meta.url));

const has = (command: string, args: string[]): Promise<boolean> =>
  run(command, args).then(
    () => true,
    () => false,
  );
// In CI they are part of what is tested.
const isSkippable = process.env["CI"] === undefined;
export const [noPython, noGo] = [
  isSkippable && !(await has("python3", ["--version"])),
  isSkippable && !(await has("go", ["version"])),
];

/** Installs packages of PyPI where they aren't yet. @returns a Python that has them */
export async function pythonWith(packages: readonly string[]): Promise<string> {
  const venv = join(cache, `venv-${packages.map((name) => name.replace(/\W+/g, "-")).join("+")}`);
  const python = join(venv, process.platform === "win32" ? "Scripts" : "bin", "python");
  const stamp = join(venv, "complete");
  if (existsSync(stamp)) return python;
  await run("python3", ["-m", "venv", "--clear", venv], { timeout: INSTALL_TIMEOUT_MS });
  const quietly = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  await run(python, [...quietly, ...packages], { timeout: INSTALL_TIMEOUT_MS });
  await mkdir(stamp);
  return python;
}

/** Builds a Go program of a folder, which may have a module of its own. @returns the program */
export async function buildGo(folder: string, file: string): Promise<string> {
  const program = join(cache, `${folder}-${file}`.replace(/^.*\/(libs|deploy)\//, "").replace(/\W/g, "-"));
  await run("go", ["build", "-o", program, file], {
    cwd: folder,
    timeout: INSTALL_TIMEOUT_MS,
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  return program;
}

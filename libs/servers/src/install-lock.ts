import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isAlive } from "./process-state.ts";

const POLL_INTERVAL_MS = 200;
// Longer than the longest way to install something, so that only an abandoned lock is taken over.
const STALE_AFTER_MS = 15 * 60_000;

export interface InstallLockOptions {
  /** Called once, when another process holds the lock. */
  readonly onWait?: (holderPid: number | undefined) => void;
  readonly staleAfterMs?: number;
}

/**
 * Runs `work` while no other process runs work under the same lock file.
 * A lock whose process is gone, or which is older than any install can take, is taken over. Two processes that take
 * over the same stale lock in the same instant may both go on: installs put their result in place by one rename, so
 * that costs time and nothing else.
 */
export async function withInstallLock<Result>(
  lockFile: string,
  work: () => Promise<Result>,
  options: InstallLockOptions = {},
): Promise<Result> {
  await mkdir(dirname(lockFile), { recursive: true });
  let waited = false;
  while (!(await tryAcquire(lockFile))) {
    const holderPid = await readHolder(lockFile);
    if (await isStale(lockFile, holderPid, options.staleAfterMs ?? STALE_AFTER_MS)) {
      await rm(lockFile, { force: true });
      continue;
    }
    if (!waited) options.onWait?.(holderPid);
    waited = true;
    await delay(POLL_INTERVAL_MS);
  }
  try {
    return await work();
  } finally {
    if ((await readHolder(lockFile)) === process.pid) await rm(lockFile, { force: true });
  }
}

async function tryAcquire(lockFile: string): Promise<boolean> {
  try {
    await writeFile(lockFile, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function readHolder(lockFile: string): Promise<number | undefined> {
  try {
    const pid = Number(await readFile(lockFile, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

async function isStale(
  lockFile: string,
  holderPid: number | undefined,
  staleAfterMs: number,
): Promise<boolean> {
  // A holder without a pid is between creating the file and writing to it; only age can condemn it.
  if (holderPid !== undefined && !isAlive(holderPid)) return true;
  try {
    return Date.now() - (await stat(lockFile)).mtimeMs > staleAfterMs;
  } catch {
    return false;
  }
}

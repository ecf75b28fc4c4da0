import { mkdtemp, rename, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { downloadVerified } from "./download.ts";
import { installWithApt, installWithBrew } from "./package-manager.ts";
import { runCommand } from "./run-command.ts";
import type { InstallContext, InstallWay, ServerProgram } from "./server-binary.ts";

// To bump: version and sum stand in one line of the README of github.com/redis/redis-hashes. Redis publishes no
// binaries: its release is the source. 7.2 is the last line under the BSD licence and needs nothing but make and cc.
const REDIS_VERSION = "7.2.15";
const REDIS_SHA256 = "7bf7975331511fdb788e85dae63964b128fccee1df026a10db57444babc9c9c4";

export const REDIS_IMAGE = `redis:${REDIS_VERSION}-alpine`;

const QUICK_TIMEOUT_MS = 5_000;
const UNPACK_TIMEOUT_MS = 60_000;
// A build takes one to two minutes on two cores.
const BUILD_TIMEOUT_MS = 600_000;
const PROGRESS_INTERVAL_MS = 10_000;

const sourceBuild: InstallWay = {
  title: `download the official source of ${REDIS_VERSION}, check its sha256 and build it (one to two minutes)`,
  async install({ cacheDirectory, report }: InstallContext): Promise<string> {
    if (process.platform === "win32") throw new Error("Redis does not build on Windows");
    for (const tool of ["make", "cc", "tar"]) {
      await runCommand(tool, ["--version"], { timeoutMs: QUICK_TIMEOUT_MS });
    }
    const workDirectory = await mkdtemp(join(cacheDirectory, "redis-server-"));
    try {
      const archive = join(workDirectory, "redis.tar.gz");
      const url = `https://download.redis.io/releases/redis-${REDIS_VERSION}.tar.gz`;
      await downloadVerified({ url, sha256: REDIS_SHA256, to: archive, report });
      return await buildRedis(archive, `redis-${REDIS_VERSION}`, workDirectory, {
        cacheDirectory,
        report,
      });
    } finally {
      await rm(workDirectory, { recursive: true, force: true });
    }
  },
};

/** Builds the server from a source archive whose only folder is `folder`, and puts it into the cache. */
export async function buildRedis(
  archive: string,
  folder: string,
  workDirectory: string,
  { cacheDirectory, report }: InstallContext,
): Promise<string> {
  await runCommand("tar", ["-xzf", archive, "-C", workDirectory], { timeoutMs: UNPACK_TIMEOUT_MS });
  report("  building");
  const startedAt = Date.now();
  let reportedAt = startedAt;
  // libc's allocator: jemalloc's own configure run takes longer than the rest of the build.
  await runCommand("make", [`-j${availableParallelism()}`, "MALLOC=libc", "redis-server"], {
    timeoutMs: BUILD_TIMEOUT_MS,
    cwd: join(workDirectory, folder, "src"),
    onLine: () => {
      if (Date.now() - reportedAt < PROGRESS_INTERVAL_MS) return;
      reportedAt = Date.now();
      report(`  still building, ${Math.round((reportedAt - startedAt) / 1000)} s`);
    },
  });
  const path = join(cacheDirectory, "redis-server");
  await rename(join(workDirectory, folder, "src", "redis-server"), path);
  return path;
}

/** 6.2 has all that Sluice's scripts call (GETEX, ZADD GT, ZRANGE BYSCORE). */
export const REDIS_SERVER: ServerProgram = {
  name: "redis-server",
  minimumVersion: "6.2.0",
  ways: [
    sourceBuild,
    installWithBrew("redis", "redis-server"),
    // The one file of redis-tools is server and checker; the package redis-server adds only the system service.
    installWithApt({
      aptPackage: "redis-tools",
      file: "/usr/bin/redis-check-rdb",
      program: "redis-server",
    }),
  ],
  byHand: [
    "macOS      brew install redis",
    "Debian     sudo apt-get install redis-server",
    "Fedora     sudo dnf install redis",
    `source     https://download.redis.io/releases/redis-${REDIS_VERSION}.tar.gz`,
  ],
};

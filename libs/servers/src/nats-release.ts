import { existsSync } from "node:fs";
import { chmod, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { downloadVerified } from "./download.ts";
import { installWithBrew } from "./package-manager.ts";
import { runCommand } from "./run-command.ts";
import { executableName } from "./server-binary.ts";
import type { InstallContext, InstallWay, ServerProgram } from "./server-binary.ts";

// To bump: take version and sums from one release commit of github.com/nats-io/nats-docker (2.12.x/alpine3.22/Dockerfile
// for linux, 2.12.x/windowsservercore-ltsc2022/Dockerfile for windows); they also stand in SHA256SUMS beside the
// release's archives on github.com/nats-io/nats-server. The docker image below is of the same version.
const NATS_VERSION = "2.12.15";
const NATS_SHA256: Readonly<Record<string, string>> = {
  "linux-amd64.tar.gz": "58ab8131f819263897e2fc38e503e1b755b63bcafeecc7d12582487df48ca15e",
  "linux-arm64.tar.gz": "b724db99fefbf8f5c808baa82819ee50350aee9734017e4a478f7e545cef3ab6",
  "windows-amd64.zip": "ed2f6d265abb6c6b151b077d1b6810d006f6e01453d864104de5ce4dc6ee6c27",
};

export const NATS_IMAGE = `nats:${NATS_VERSION}-alpine`;

const QUICK_TIMEOUT_MS = 5_000;
const UNPACK_TIMEOUT_MS = 60_000;
// `go install` takes 40 s on two cores, more when it must first fetch a newer toolchain.
const GO_INSTALL_TIMEOUT_MS = 300_000;
const PROGRESS_INTERVAL_MS = 10_000;

const OPERATING_SYSTEM: Readonly<Record<string, string>> = {
  linux: "linux",
  darwin: "darwin",
  win32: "windows",
};
const ARCHITECTURE: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

const releaseDownload: InstallWay = {
  title: `download the official release ${NATS_VERSION} and check its sha256`,
  async install({ cacheDirectory, report }: InstallContext): Promise<string> {
    const system = `${OPERATING_SYSTEM[process.platform] ?? process.platform}-${ARCHITECTURE[process.arch] ?? process.arch}`;
    const extension = process.platform === "win32" ? "zip" : "tar.gz";
    const sha256 = NATS_SHA256[`${system}.${extension}`];
    if (sha256 === undefined) throw new Error(`no checksum is pinned for ${system}`);

    const folder = `nats-server-v${NATS_VERSION}-${system}`;
    const url = `https://github.com/nats-io/nats-server/releases/download/v${NATS_VERSION}/${folder}.${extension}`;
    // In the cache directory itself: a rename is atomic only inside one file system.
    const workDirectory = await mkdtemp(join(cacheDirectory, "nats-server-"));
    try {
      const archive = join(workDirectory, `archive.${extension}`);
      await downloadVerified({ url, sha256, to: archive, report });
      await runCommand("tar", ["-xf", archive, "-C", workDirectory], {
        timeoutMs: UNPACK_TIMEOUT_MS,
      });
      const unpacked = join(workDirectory, folder, executableName("nats-server"));
      await chmod(unpacked, 0o755);
      const path = join(cacheDirectory, executableName("nats-server"));
      await rename(unpacked, path);
      return path;
    } finally {
      await rm(workDirectory, { recursive: true, force: true });
    }
  },
};

const goInstall: InstallWay = {
  title: `go install github.com/nats-io/nats-server/v2@v${NATS_VERSION} (about a minute)`,
  async install({ cacheDirectory, report }: InstallContext): Promise<string> {
    const startedAt = Date.now();
    const timer = setInterval(() => {
      report(`  still compiling, ${Math.round((Date.now() - startedAt) / 1000)} s`);
    }, PROGRESS_INTERVAL_MS);
    try {
      await runCommand(await findGo(), ["install", `github.com/nats-io/nats-server/v2@v${NATS_VERSION}`], {
        timeoutMs: GO_INSTALL_TIMEOUT_MS,
        env: { ...process.env, GOBIN: cacheDirectory, CGO_ENABLED: "0" },
        // Outside any Go module or workspace of the user, which would change what is installed.
        cwd: cacheDirectory,
      });
    } finally {
      clearInterval(timer);
    }
    return join(cacheDirectory, executableName("nats-server"));
  },
};

/** Where Go's own archive puts it is often on the PATH of a login shell only. */
async function findGo(): Promise<string> {
  try {
    await runCommand("go", ["version"], { timeoutMs: QUICK_TIMEOUT_MS });
    return "go";
  } catch (error) {
    const usual = "/usr/local/go/bin/go";
    if (existsSync(usual)) return usual;
    throw error;
  }
}

/** Program nats-server, from 2.11 on: an older cluster can not compare-and-set on a transformed subject, as producers need. */
export const NATS_SERVER: ServerProgram = {
  name: "nats-server",
  minimumVersion: "2.11.0",
  ways: [releaseDownload, installWithBrew("nats-server", "nats-server"), goInstall],
  byHand: [
    `download   https://github.com/nats-io/nats-server/releases/tag/v${NATS_VERSION} and put nats-server on PATH`,
    "macOS      brew install nats-server",
    `with Go    go install github.com/nats-io/nats-server/v2@v${NATS_VERSION}`,
  ],
};

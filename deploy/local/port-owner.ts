import { execFile } from "node:child_process";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { promisify } from "node:util";

const LSOF_TIMEOUT_MS = 2_000;
/** The state of a listening socket in /proc/net/tcp. */
const LISTEN = "0A";

/** Process that listens on a port, as in `node (pid 123)`; undefined where the system doesn't tell. */
export async function portOwner(port: number): Promise<string | undefined> {
  return process.platform === "linux" ? ownerByProc(port) : ownerByLsof(port);
}

function ownerByProc(port: number): string | undefined {
  const inodes = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => listening(table, port)));
  if (inodes.size === 0) return undefined;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const owns = readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
        const target = linkTarget(`/proc/${pid}/fd/${descriptor}`);
        return inodes.has(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? "");
      });
      if (owns) return `${commandOf(pid)} (pid ${pid})`;
    } catch {
      // Another user's process, or one that has just ended.
    }
  }
  return undefined;
}

/** Command line with its script, as it was called: by the name of its main thread, every Node is a `MainThread`. */
function commandOf(pid: string): string {
  const [program = "", ...args] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  const script = args.find((argument) => /\.[cm]?[jt]s$/.test(argument)) ?? "";
  return `${basename(program)} ${script}`.trim();
}

/** @returns the inodes of the sockets that listen on the port */
function listening(table: string, port: number): string[] {
  let text: string;
  try {
    text = readFileSync(table, "utf8");
  } catch {
    return [];
  }
  return text.split("\n").flatMap((line) => {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    const hexPort = local.split(":").at(-1) ?? "";
    return state === LISTEN && Number.parseInt(hexPort, 16) === port ? [inode] : [];
  });
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

async function ownerByLsof(port: number): Promise<string | undefined> {
  try {
    const args = ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fpc"];
    const { stdout } = await promisify(execFile)("lsof", args, { timeout: LSOF_TIMEOUT_MS });
    const pid = /^p(\d+)/m.exec(stdout)?.[1];
    const command = /^c(.+)/m.exec(stdout)?.[1];
    return pid === undefined ? undefined : `${command ?? "a process"} (pid ${pid})`;
  } catch {
    return undefined;
  }
}

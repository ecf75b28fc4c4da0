import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Where the kernel tells; other places are for tests. */
export interface MemoryFiles {
  /** Default: `/sys/fs/cgroup`. */
  cgroupRoot?: string;
  /** Default: `/proc/self/cgroup`. */
  ownCgroup?: string;
  rssBytes?: () => number;
}

// An init process beside ours is usual in a container; more means that others share the cgroup, and its memory isn't ours.
const MOST_PROCESSES = 2;

/**
 * Measures the memory that counts against the limit of this process' container, in bytes: what the kernel charges its
 * cgroup (version 2, else 1) without page cache that it can drop, or the resident set where that is more. The kernel's
 * socket buffers are in the first and not in the second: with many readers that read nothing they are most of it.
 * The resident set alone where there is no cgroup, it has no limit, or other processes share it.
 */
export function createMemoryMeter(files: MemoryFiles = {}): () => number {
  const rssBytes = files.rssBytes ?? (() => process.memoryUsage.rss());
  const root = files.cgroupRoot ?? "/sys/fs/cgroup";
  const paths = readText(files.ownCgroup ?? "/proc/self/cgroup") ?? "";
  const readers = CGROUP_VERSIONS.flatMap((version) => {
    const path = version.pathIn(paths);
    if (path === null) return [];
    // Inside a container its own cgroup is mounted at the root, whatever it is called outside.
    return [path, "/"].map((at) => () => version.usedBytes(join(root, version.mount, at)));
  });
  const reader = readers.find((read) => read() !== null);
  return () => Math.max(rssBytes(), reader?.() ?? 0);
}

interface CgroupVersion {
  readonly mount: string;
  /** Finds the process' cgroup in its list of them; null: it is in none of this version. */
  pathIn(list: string): string | null;
  usedBytes(directory: string): number | null;
}

const CGROUP_VERSIONS: readonly CgroupVersion[] = [
  {
    mount: "",
    pathIn: (list) => /^0::(\/.*)$/m.exec(list)?.[1] ?? null,
    usedBytes: (directory) =>
      usedBytesOf(directory, { used: "memory.current", limit: "memory.max", cache: "inactive_file" }),
  },
  {
    mount: "memory",
    pathIn: (list) => /^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:(\/.*)$/m.exec(list)?.[1] ?? null,
    usedBytes: (directory) =>
      usedBytesOf(directory, {
        used: "memory.usage_in_bytes",
        limit: "memory.limit_in_bytes",
        cache: "total_inactive_file",
      }),
  },
];

// Version 1 says so many where there is no limit.
const NO_LIMIT_BYTES = 2 ** 62;

function usedBytesOf(
  directory: string,
  names: { used: string; limit: string; cache: string },
): number | null {
  const limitBytes = numberIn(readText(join(directory, names.limit)));
  const usedBytes = numberIn(readText(join(directory, names.used)));
  if (usedBytes === null || limitBytes === null || limitBytes >= NO_LIMIT_BYTES) return null;
  const processes = (readText(join(directory, "cgroup.procs")) ?? "")
    .split("\n")
    .filter((line) => line !== "");
  if (processes.length > MOST_PROCESSES) return null;
  const stat = readText(join(directory, "memory.stat")) ?? "";
  const cacheBytes = numberIn(new RegExp(`^${names.cache} (\\d+)$`, "m").exec(stat)?.[1] ?? null);
  return Math.max(0, usedBytes - (cacheBytes ?? 0));
}

function numberIn(text: string | null): number | null {
  return text !== null && /^\d+\s*$/.test(text) ? Number(text) : null;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

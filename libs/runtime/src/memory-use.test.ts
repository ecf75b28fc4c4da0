import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createMemoryMeter } from "./memory-use.ts";

const RSS = 100;

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-memory-test-"));
});

afterEach(() => rmSync(directory, { recursive: true }));

function write(files: Record<string, string>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
}

function meter(): () => number {
  return createMemoryMeter({
    cgroupRoot: join(directory, "sys"),
    ownCgroup: join(directory, "own"),
    rssBytes: () => RSS,
  });
}

const CONTAINER = {
  own: "0::/\n",
  "sys/memory.current": "5000\n",
  "sys/memory.max": "8000\n",
  "sys/memory.stat": "anon 90\ninactive_file 700\nsock 3000\n",
  "sys/cgroup.procs": "1\n7\n",
};

test("in a container with a limit, all that the kernel charges it counts, but for page cache that can be dropped", () => {
  write(CONTAINER);
  const read = meter();
  expect(read()).toBe(4_300);
  write({ "sys/memory.current": "6000\n" });
  expect(read()).toBe(5_300);
  write({ "sys/memory.current": "50\n" });
  expect(read()).toBe(RSS);
});

test("the cgroup is found below the root where the process sees the host's names", () => {
  write({
    own: "0::/kubepods/pod7/edge\n",
    "sys/kubepods/pod7/edge/memory.current": "900\n",
    "sys/kubepods/pod7/edge/memory.max": "8000\n",
    "sys/kubepods/pod7/edge/cgroup.procs": "12\n",
  });
  expect(meter()()).toBe(900);
});

test("version 1 is read where there is no version 2", () => {
  const at = "sys/memory/docker/abc";
  write({
    own: "12:pids:/docker/abc\n4:cpu,memory:/docker/abc\n0::/\n",
    [`${at}/memory.usage_in_bytes`]: "5000\n",
    [`${at}/memory.limit_in_bytes`]: "8000\n",
    [`${at}/memory.stat`]: "inactive_file 1\ntotal_inactive_file 500\n",
    [`${at}/cgroup.procs`]: "12\n",
  });
  expect(meter()()).toBe(4_500);
});

test("the resident set alone counts without a cgroup, without a limit, and where other processes share the cgroup", () => {
  expect(meter()()).toBe(RSS);
  write({ ...CONTAINER, "sys/memory.max": "max\n" });
  expect(meter()()).toBe(RSS);
  write({ ...CONTAINER, "sys/cgroup.procs": "1\n7\n8\n" });
  expect(meter()()).toBe(RSS);
  write({ own: "4:memory:/\n", "sys/memory/memory.usage_in_bytes": "5000\n" });
  write({ "sys/memory/memory.limit_in_bytes": "9223372036854771712\n" });
  expect(meter()()).toBe(RSS);
});

test("a file that goes away later leaves the resident set", () => {
  write(CONTAINER);
  const read = meter();
  rmSync(join(directory, "sys/memory.current"));
  expect(read()).toBe(RSS);
});

import { spawnSync } from "node:child_process";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { withInstallLock } from "./install-lock.ts";
import { findServerBinary } from "./server-binary.ts";
import type { ServerBinary, ServerProgram } from "./server-binary.ts";

let directory: string;
let lockFile: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-lock-test-"));
  lockFile = join(directory, "some", "install.lock");
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

describe("the install lock", () => {
  test("lets one work at a time, and the other one after it", async () => {
    const order: string[] = [];
    const first = Promise.withResolvers<void>();
    const holding = withInstallLock(lockFile, async () => {
      order.push("first begins");
      await first.promise;
      order.push("first ends");
    });
    const waiting = withInstallLock(lockFile, () => Promise.resolve(order.push("second")), {
      onWait: () => first.resolve(),
    });
    await Promise.all([holding, waiting]);
    expect(order).toEqual(["first begins", "first ends", "second"]);
  });

  test("is free again after work that failed", async () => {
    await expect(withInstallLock(lockFile, () => Promise.reject(new Error("disk full")))).rejects.toThrow(
      "disk full",
    );
    await expect(withInstallLock(lockFile, () => Promise.resolve("done"))).resolves.toBe("done");
  });

  test("is taken over from a process that is gone", async () => {
    await withInstallLock(lockFile, () => Promise.resolve());
    const gone = spawnSync(process.execPath, ["--version"]).pid;
    await writeFile(lockFile, String(gone));
    await expect(withInstallLock(lockFile, () => Promise.resolve("done"))).resolves.toBe("done");
  });

  test("is taken over when it is older than any install", async () => {
    await withInstallLock(lockFile, () => Promise.resolve());
    await writeFile(lockFile, "");
    await utimes(lockFile, 0, 0);
    await expect(withInstallLock(lockFile, () => Promise.resolve("done"))).resolves.toBe("done");
  });
});

describe("a program that two look for at the same time", () => {
  test("is installed once", async () => {
    const path = join(directory, "fake-server");
    const versions: Record<string, string> = {};
    let installs = 0;
    const program: ServerProgram = {
      name: "fake-server",
      minimumVersion: "1.0.0",
      ways: [
        {
          title: "compile",
          install: async () => {
            installs++;
            await Promise.resolve();
            versions[path] = "2.12.0";
            return path;
          },
        },
      ],
      byHand: [],
    };
    const find = (): Promise<ServerBinary> =>
      findServerBinary(program, {
        cacheDirectory: directory,
        report: () => {},
        searchPath: "",
        readVersion: (candidate) => Promise.resolve(versions[candidate]),
      });
    const both = await Promise.all([find(), find()]);
    expect(installs).toBe(1);
    expect(both.map((found) => found.origin).toSorted()).toEqual(["cache", "installed"]);
  });
});

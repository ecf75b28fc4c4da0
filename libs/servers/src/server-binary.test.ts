import { delimiter, join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { ServerUnavailableError, findServerBinary } from "./server-binary.ts";
import type { InstallWay, ServerProgram } from "./server-binary.ts";

const CACHE_DIRECTORY = "/cache";

let reported: string[];

beforeEach(() => {
  reported = [];
});

function find(versions: Readonly<Record<string, string>>, ways: readonly InstallWay[] = []) {
  const program: ServerProgram = {
    name: "fake-server",
    minimumVersion: "2.10.0",
    ways,
    byHand: ["ask a friend"],
  };
  return findServerBinary(program, {
    cacheDirectory: CACHE_DIRECTORY,
    report: (line) => reported.push(line),
    searchPath: ["/first", "/second"].join(delimiter),
    readVersion: (path) => Promise.resolve(versions[path]),
    exclusively: (_lockFile, work) => work(),
  });
}

function way(title: string, install: InstallWay["install"]): InstallWay {
  return { title, install };
}

const refuse = (reason: string) => (): Promise<string> => Promise.reject(new Error(reason));

describe("finding a server program", () => {
  test("takes the first on PATH that is new enough, without a word", async () => {
    const found = await find({ "/second/fake-server": "2.10.0" });
    expect(found).toEqual({ path: "/second/fake-server", version: "2.10.0", origin: "path" });
    expect(reported).toEqual([]);
  });

  test("passes over one on PATH that is too old, and says so", async () => {
    const found = await find({ "/first/fake-server": "2.9.10", "/second/fake-server": "2.12.0" });
    expect(found.path).toBe("/second/fake-server");
    expect(reported).toEqual([
      "fake-server: /first/fake-server is 2.9.10, older than 2.10.0; looking further",
    ]);
  });

  test("prefers the cache to installing", async () => {
    const cached = join(CACHE_DIRECTORY, "fake-server");
    const found = await find({ [cached]: "2.12.0" }, [way("install", refuse("must not be tried"))]);
    expect(found).toEqual({ path: cached, version: "2.12.0", origin: "cache" });
  });

  test("tries each way in order and stops at the first that works", async () => {
    const found = await find({ "/installed": "2.12.0" }, [
      way("download", refuse("no network")),
      way("compile", () => Promise.resolve("/installed")),
      way("never", refuse("must not be tried")),
    ]);
    expect(found.origin).toBe("installed");
    expect(reported).toEqual(["fake-server: download", "  not possible: no network", "fake-server: compile"]);
  });

  test("goes on when a way gives a program that is too old", async () => {
    const found = await find({ "/old": "2.9.0", "/new": "2.12.0" }, [
      way("package", () => Promise.resolve("/old")),
      way("compile", () => Promise.resolve("/new")),
    ]);
    expect(found.path).toBe("/new");
  });

  test("fails with each way, its reason and how to get it by hand", async () => {
    const failing = find({ "/first/fake-server": "2.9.10" }, [
      way("download", refuse("no network")),
      way("compile", refuse("go is not installed")),
    ]);
    await expect(failing).rejects.toBeInstanceOf(ServerUnavailableError);
    await expect(failing).rejects.toThrow(
      [
        "fake-server 2.10.0 or newer is needed and could not be had:",
        "  - /first/fake-server is 2.9.10, older than 2.10.0",
        "  - download: no network",
        "  - compile: go is not installed",
        "To get it by hand:",
        "  ask a friend",
      ].join("\n"),
    );
  });
});

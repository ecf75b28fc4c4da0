import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkDirections } from "./directions.ts";

const PACKAGES = [
  ...["core", "protocol", "broker-nats", "cache-redis", "producer", "client", "runtime", "testing"].map(
    (n) => `libs/${n}`,
  ),
  ...["ingest", "edge"].map((n) => `services/${n}`),
  "deploy",
  "loadtest",
];
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "directions-"));
  for (const folder of PACKAGES) plant(`${folder}/package.json`, `{ "exports": { ".": "./src/index.ts" } }`);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function plant(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function violationsOf(path: string, text: string): readonly string[] {
  plant(path, text);
  return checkDirections(root).violations;
}

describe("a planted violation is caught:", () => {
  test.for([
    ["core imports a package of ours", "libs/core/src/a.ts", `import { x } from "@sluice/protocol";`],
    ["core imports from npm", "libs/core/src/a.ts", `import { z } from "zod";`],
    ["core imports a Node module", "libs/core/src/a.ts", `import { join } from "node:path";`],
    ["core imports a Node module without its prefix", "libs/core/src/a.ts", `import "fs/promises";`],
    ["protocol imports more than zod", "libs/protocol/src/a.ts", `import express from "express";`],
    ["an adapter imports the other", "libs/broker-nats/src/a.ts", `import { x } from "@sluice/cache-redis";`],
    ["the producer imports the cache", "libs/producer/src/a.ts", `import { x } from "@sluice/cache-redis";`],
    ["the client imports a Node module", "libs/client/src/a.ts", `import "node:http";`],
    ["the runtime imports an adapter", "libs/runtime/src/a.ts", `import { x } from "@sluice/broker-nats";`],
    ["a library imports a service", "libs/producer/src/a.ts", `import { x } from "@sluice/edge";`],
    [
      "a room of a service imports one before it",
      "services/edge/src/stream/a.ts",
      `import { x } from "../connection/b.ts";`,
    ],
    [
      "a service has a room without a place",
      "services/edge/src/helpers/a.ts",
      `import { x } from "../stream/b.ts";`,
    ],
    ["the test library imports a service", "libs/testing/src/a.ts", `import { x } from "@sluice/edge";`],
    ["a service imports another", "services/edge/src/a.ts", `import { x } from "@sluice/ingest";`],
    ["a service imports the launcher", "services/edge/src/a.ts", `import { x } from "@sluice/deploy";`],
    ["a service imports the test library", "services/edge/src/a.ts", `import { x } from "@sluice/testing";`],
    ["a service imports a test tool", "services/edge/src/a.ts", `import { vi } from "vitest";`],
    ["a test of a library imports a service", "libs/core/src/a.test.ts", `import { x } from "@sluice/edge";`],
    [
      "a test of a service imports another",
      "services/edge/src/a.test.ts",
      `import { x } from "@sluice/ingest";`,
    ],
    ["a package that does not exist", "services/edge/src/a.ts", `import { x } from "@sluice/nobody";`],
    ["a deep import", "services/edge/src/a.ts", `import { x } from "@sluice/core/src/chunk.ts";`],
    [
      "a relative path into another package",
      "services/edge/src/a.ts",
      `import "../../../libs/core/src/a.ts";`,
    ],
    ["a relative path into a folder of like name", "services/edge/a.ts", `import "../edge-two/a.ts";`],
    ["an absolute path", "services/edge/src/a.ts", `import "/somewhere/a.ts";`],
    ["a type import", "libs/core/src/a.ts", `import type { x } from "@sluice/protocol";`],
    ["an inline type import", "libs/core/src/a.ts", `let a: import("@sluice/protocol").X;`],
    ["a named re-export", "libs/core/src/a.ts", `export { x } from "@sluice/protocol";`],
    ["a re-export of everything", "libs/core/src/a.ts", `export * from "@sluice/protocol";`],
    ["a dynamic import", "libs/core/src/a.ts", `void import("@sluice/protocol");`],
    ["a dynamic import of a template", "libs/core/src/a.ts", "void import(`@sluice/protocol`);"],
    ["a computed dynamic import", "libs/core/src/a.ts", `void import("@sluice/" + name);`],
    ["import = require", "libs/core/src/a.ts", `import x = require("@sluice/protocol");`],
    ["require", "libs/core/src/a.cts", `const x = require("@sluice/protocol");`],
    ["import.meta.resolve", "libs/core/src/a.ts", `import.meta.resolve("@sluice/protocol");`],
    ["a mocked module", "libs/core/src/a.test.ts", `vi.mock("../../protocol/src/a.ts");`],
    ["a TSX file", "libs/client/src/a.tsx", `import { x } from "@sluice/edge"; const a = <p>b</p>;`],
    ["a plain JavaScript file", "services/edge/bin/a.mjs", `import "@sluice/ingest";`],
    ["the environment", "services/edge/src/a.ts", `const a = process.env["A"];`],
    ["the environment by another name", "services/edge/src/a.ts", `const { env } = process;`],
    ["the environment of the global object", "services/edge/src/a.ts", `const a = globalThis.process.env;`],
    ["the imported environment", "services/edge/src/a.ts", `import { env } from "node:process";`],
    ["an exit", "libs/producer/src/a.ts", `process.exit(1);`],
    ["a signal handler", "libs/producer/src/a.ts", `process["on"]("SIGTERM", f);`],
    ["a file that does not parse", "services/edge/src/a.ts", `import {`],
  ])("%s", ([, path = "", text = ""]) => {
    const violations = violationsOf(path, text);
    expect(violations).not.toEqual([]);
    expect(violations.every((violation) => violation.startsWith(`${path}:1 `))).toBe(true);
  });

  test("a package without a rule", () => {
    plant("libs/core/src/a.ts", "export {};");
    expect(violationsOf("libs/utils/package.json", "{}")).toEqual([
      "libs/utils:1 is a package without a rule in scripts/directions.ts",
    ]);
  });

  test("a folder under libs without a package.json", () => {
    plant("libs/core/src/a.ts", "export {};");
    expect(violationsOf("libs/utils/src/a.ts", "export {};")).toHaveLength(1);
  });

  test("no source files at all", () => {
    expect(checkDirections(root)).toEqual({
      files: 0,
      violations: [".:1 no source file was found, so nothing is proven"],
    });
  });
});

describe("what the rules allow passes:", () => {
  test.for([
    ["a path within the package", "libs/core/src/a/b.ts", `import { x } from "../c.ts";`],
    [
      "protocol imports core and zod",
      "libs/protocol/src/a.ts",
      `import "@sluice/core"; import { z } from "zod/v4";`,
    ],
    [
      "an adapter imports its driver",
      "libs/cache-redis/src/a.ts",
      `import { Redis } from "ioredis"; import "node:fs";`,
    ],
    [
      "a service imports adapters",
      "services/edge/src/a.ts",
      `import "@sluice/cache-redis"; import "express";`,
    ],
    [
      "a test imports the test library",
      "libs/core/src/a.test.ts",
      `import "@sluice/testing"; import "vitest";`,
    ],
    ["a fault test imports any library", "services/edge/src/a.fault.test.ts", `import "@sluice/client";`],
    ["the launcher imports services", "deploy/local/start.ts", `import "@sluice/edge"; process.exit(1);`],
    [
      "the benchmark imports the launcher",
      "loadtest/bench.ts",
      `import "@sluice/deploy"; import "@sluice/testing";`,
    ],
    [
      "main.ts reads the environment",
      "services/edge/src/main.ts",
      `process.on("SIGTERM", () => process.env);`,
    ],
    ["a command's entry exits", "services/cli/bin/sluice.js", `process.exitCode = 1;`],
    [
      "the runtime handles signals",
      "libs/runtime/src/lifecycle.ts",
      `process.once("SIGTERM", f); process.exit(1);`,
    ],
    [
      "a measurement of the process",
      "services/edge/src/a.ts",
      `const a = process.memoryUsage(), b = process.pid;`,
    ],
    ["what is installed or built", "libs/core/node_modules/a/index.js", `import "zod";`],
  ] as const)("%s", ([, path, text]) => {
    plant("loadtest/src/index.ts", "export {};");
    expect(violationsOf(path, text)).toEqual([]);
  });

  test("the repository itself", () => {
    const { files, violations } = checkDirections(join(import.meta.dirname, ".."));
    expect(violations).toEqual([]);
    expect(files).toBeGreaterThan(10);
  });
});

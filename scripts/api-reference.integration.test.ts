import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");

let folder: string;

beforeEach(() => {
  mkdirSync(join(ROOT, ".sluice"), { recursive: true });
  folder = mkdtempSync(join(ROOT, ".sluice", "api-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The check of a folder with one package, whose entry point has this text. */
function check(name: string, source: string): { readonly status: number | null; readonly output: string } {
  mkdirSync(join(folder, name, "src"), { recursive: true });
  writeFileSync(join(folder, name, "package.json"), JSON.stringify({ exports: { ".": "./src/index.ts" } }));
  writeFileSync(join(folder, name, "src", "index.ts"), source);
  const script = join(ROOT, "docs", "api-reference.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "--libs", folder], {
    encoding: "utf8",
  });
  return { status, output: stdout + stderr };
}

test("the check of the API reference fails on a parameter that is not there, and on a broken link", () => {
  const wrong = `/**
 * Doubles a number, see {@link nowhere}.
 * @param other not a parameter
 */
export function double(value: number): number { return 2 * value; }\n`;
  const { status, output } = check("any", wrong);
  expect(output).toContain("nowhere");
  expect(output).toContain("docs: 1 packages, 2 warnings");
  expect(status).toBe(1);
});

test("in a package that is complete, it fails on an export without a comment, and passes with one", () => {
  const bare = check("producer", "export function double(value: number): number { return 2 * value; }\n");
  expect(bare.output).toContain("does not have any documentation");
  expect(bare.status).toBe(1);
  const { status, output } = check(
    "producer",
    "/** Doubles a number. */\nexport function double(value: number): number { return 2 * value; }\n",
  );
  expect(output).toContain("docs: 1 packages, 0 warnings");
  expect(status).toBe(0);
});

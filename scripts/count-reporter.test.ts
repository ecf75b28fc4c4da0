import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
let folder: string;

beforeEach(() => {
  // Inside the repository, so that `vitest` resolves; node_modules is out of every project's reach.
  folder = mkdtempSync(join(root, "node_modules", ".count-reporter-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function run(files: Record<string, string>): { line: string | undefined; exitCode: number | null } {
  const { lines, exitCode } = outputOf(files);
  return { line: lines.at(-1), exitCode };
}

function outputOf(files: Record<string, string>): { lines: string[]; exitCode: number | null } {
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), `import { beforeAll, describe, expect, test } from "vitest";\n${text}`);
  }
  const config = join(folder, "vitest.config.mjs");
  const reporter = join(root, "scripts", "count-reporter.ts");
  writeFileSync(
    config,
    `export default { test: { include: ["*.case.ts"], exclude: [], reporters: ["default", ${JSON.stringify(reporter)}] } };`,
  );
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST")));
  const result = spawnSync(process.execPath, [vitest, "run", "--root", folder, "--config", config], {
    encoding: "utf8",
    env,
  });
  return { lines: result.stdout.trimEnd().split("\n"), exitCode: result.status };
}

test("the last line counts what passed, failed and was skipped", { timeout: 30_000 }, () => {
  const mixed = `
    test("a", () => {});
    test("b", () => {});
    test("c", () => expect(1).toBe(2));
    test.skip("d", () => {});
    test.todo("e");`;
  expect(run({ "mixed.case.ts": mixed })).toEqual({ line: "2 passed, 1 failed, 2 skipped", exitCode: 1 });
});

test("the ten slowest tests stand before the count, the slowest first", { timeout: 30_000 }, () => {
  const slow = `
    test("slow", () => new Promise((resolve) => setTimeout(resolve, 400)));
    test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])("quick %s", () => {});`;
  const { lines } = outputOf({ "slow.case.ts": slow });
  const heading = lines.indexOf("slowest tests:");
  expect(lines[heading + 1]).toMatch(/^ +\d+\.\d s {2}slow\.case\.ts: slow$/);
  expect(lines.slice(heading + 1, -1)).toHaveLength(10);
  expect(lines.at(-1)).toBe("12 passed, 0 failed, 0 skipped");
});

test("a green run ends with 0 failed and exit code 0", { timeout: 30_000 }, () => {
  const green = `test("a", () => {});`;
  expect(run({ "green.case.ts": green })).toEqual({ line: "1 passed, 0 failed, 0 skipped", exitCode: 0 });
});

test(
  "a file that fails to import, a broken hook and an unhandled rejection are failures",
  { timeout: 30_000 },
  () => {
    const files = {
      "import.case.ts": `import "./missing.ts"; test("never", () => {});`,
      "hook.case.ts": `describe("s", () => { beforeAll(() => { throw new Error("hook"); }); test("x", () => {}); });`,
      "rejection.case.ts": `test("y", () => { void Promise.reject(new Error("nobody waits")); });`,
    };
    expect(run(files)).toEqual({ line: "1 passed, 3 failed, 1 skipped", exitCode: 1 });
  },
);

test("a run without tests is a failure", { timeout: 30_000 }, () => {
  expect(run({})).toEqual({ line: "0 passed, 1 failed, 0 skipped", exitCode: 1 });
});

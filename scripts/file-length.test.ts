import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const MAX_LINES = 300;
/** Says in a product file why it is longer, and what would get worse by cutting it. */
const REASON = /^(?:\/\/| \*) Longer than 300 lines: \S.{20,}/m;

const files = ["libs", "services"].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /^(?!.*\.test\.).*\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !/[/\\](node_modules|dist|test|testing)[/\\]/.test(relative(ROOT, file))),
);

test("no product file is longer than 300 lines without saying why", () => {
  expect(files.length).toBeGreaterThan(300);
  const unexplained = files.filter((file) => {
    const text = readFileSync(file, "utf8");
    return text.trimEnd().split("\n").length > MAX_LINES && !REASON.test(text);
  });
  expect(unexplained.map((file) => relative(ROOT, file))).toEqual([]);
});

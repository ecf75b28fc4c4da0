import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkProse, docCommentsOf } from "./doc-comments.ts";

describe("a doc comment begins badly", () => {
  test.each([
    "/** Of the log. */",
    "/** What an edge pod can be told. */",
    "/**\n * In its connection ids,\n * and elsewhere.\n */",
    "/**   whoever reads */",
    "/** It ends. @throws Error */",
    "/** At most 3. */",
  ])("with %j", (comment) => {
    expect(docCommentsOf(`const a = 1;\n  ${comment}\nconst b = 2;`)).toMatchObject([{ isBare: true }]);
  });
});

describe("a doc comment begins well", () => {
  test.each([
    "/** Number of log partitions. */",
    "/** The caller must call `leave()`. */",
    "/** Returns what is left of it. */",
    "/** `id`, then the frame. */",
    "/** Often enough. Of what follows nothing counts. */",
    "/** Italic text of the page. */",
  ])("with %j", (comment) => {
    expect(docCommentsOf(comment)).toMatchObject([{ isBare: false }]);
  });
});

test("what is no doc comment isn't counted: line comments, block comments, tags alone, patterns", () => {
  const source = '// Of it.\n/* Of it. */\n/** @throws Error */\n/***/\nconst path = "libs/**/of/*.ts";';
  expect(docCommentsOf(source)).toEqual([]);
});

test("a comment is found on the line where its text begins", () => {
  expect(docCommentsOf("\n\n/**\n * Of the log.\n */")).toEqual([
    { line: 4, text: "Of the log.", isBare: true },
  ]);
});

describe("the check", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "prose-"));
    for (const folder of ["libs", "services", "deploy", "loadtest", "scripts"]) mkdirSync(join(root, folder));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function plant(path: string, good: number, bad: number): void {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    const comments = ["/** Of it. */\n".repeat(bad), "/** A number. */\n".repeat(good)];
    writeFileSync(join(root, path), comments.join(""));
  }

  test("refuses a planted one above the share, and says where it is", () => {
    plant("libs/core/src/a.ts", 48, 2);
    expect(checkProse(root)).toEqual({
      comments: 50,
      bare: ["libs/core/src/a.ts:1 Of it.", "libs/core/src/a.ts:2 Of it."],
      isRefused: true,
    });
  });

  test("allows as many as the share", () => {
    plant("libs/core/src/a.ts", 49, 1);
    expect(checkProse(root).isRefused).toBe(false);
  });

  test("leaves out tests and what isn't ours", () => {
    plant("libs/core/src/a.ts", 1, 0);
    plant("libs/core/src/a.test.ts", 0, 9);
    plant("libs/core/node_modules/b/c.ts", 0, 9);
    expect(checkProse(root)).toEqual({ comments: 1, bare: [], isRefused: false });
  });

  test("fails where there is nothing to read", () => {
    expect(checkProse(root).isRefused).toBe(true);
  });
});

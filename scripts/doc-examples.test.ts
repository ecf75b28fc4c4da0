import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const LIBRARIES = ["client", "react", "producer"];

const TSC = join(ROOT, "node_modules", ".bin", "tsc");

let folder: string;

beforeAll(() => {
  // Inside of the repository, where the packages are found by their names.
  mkdirSync(join(ROOT, ".sluice"), { recursive: true });
  folder = mkdtempSync(join(ROOT, ".sluice", "examples-"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function sourcesOf(library: string): string[] {
  const source = join(ROOT, "libs", library, "src");
  return readdirSync(source)
    .filter((name) => /(?<!\.test)\.tsx?$/.test(name))
    .map((name) => join(source, name));
}

interface Example {
  readonly name: string;
  readonly extension: string;
  readonly code: string;
}

/** Examples in the documentation of a file: what stands between the fences after `@example`. */
function examplesOf(path: string): Example[] {
  const blocks = readFileSync(path, "utf8").matchAll(/@example\s*\n\s*\* ```(tsx?)\n([\s\S]*?)\n\s*\* ```/g);
  return [...blocks].map(([, extension = "ts", block = ""], index) => ({
    name: `${basename(path).replace(/\.\w+$/, "")}-${index + 1}`,
    extension,
    code: block.replaceAll(/^\s*\* ?/gm, ""),
  }));
}

function compile(examples: readonly Example[]): string {
  for (const { name, extension, code } of examples) writeFileSync(join(folder, `${name}.${extension}`), code);
  const compilerOptions = {
    module: "esnext",
    moduleResolution: "bundler",
    lib: ["es2024", "dom", "dom.iterable"],
    types: ["node", "react"],
    jsx: "react-jsx",
    skipLibCheck: true,
  };
  const files = examples.map(({ name, extension }) => `${name}.${extension}`);
  const config = { extends: join(ROOT, "tsconfig.json"), compilerOptions, files, include: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  try {
    return execFileSync(TSC, ["-p", folder], { encoding: "utf8", shell: process.platform === "win32" });
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout);
  }
}

describe.each(LIBRARIES)("the documentation of @sluice/%s", (library) => {
  test("has examples, and each compiles as it stands", () => {
    const examples = sourcesOf(library).flatMap(examplesOf);
    expect(examples.length).toBeGreaterThan(2);
    expect(compile(examples)).toBe("");
  });

  test("says something of each export", () => {
    const text = sourcesOf(library)
      .map((path) => readFileSync(path, "utf8"))
      .join("\n");
    const index = readFileSync(join(ROOT, "libs", library, "src", "index.ts"), "utf8");
    const own = index.replaceAll(/export \{[^}]*\} from "@sluice\/core";/g, "");
    const names = [...own.matchAll(/\{([^}]*)\}/g)]
      .flatMap(([, list = ""]) => list.split(","))
      .map((name) => name.replace("type ", "").trim())
      .filter((name) => name !== "");
    const bare = names.filter(
      (name) =>
        !new RegExp(`\\*/\\nexport (?:async )?(?:function|class|interface|type|const) ${name}\\b`).test(text),
    );
    expect(names.length).toBeGreaterThan(5);
    expect(bare).toEqual([]);
  });
});

test("an example that doesn't compile is found", () => {
  const code = 'import { createClient } from "@sluice/client";\n\ncreateClient({ edge: 1 });';
  expect(compile([{ name: "wrong", extension: "ts", code }])).toContain("TS2353");
});

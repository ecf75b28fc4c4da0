import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";

export interface CodeBlock {
  /** Path of the page, from the root. */
  page: string;
  language: "ts" | "tsx" | "js";
  code: string;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The blocks of code in a page that programs can be made of, in order. */
export function codeBlocksOf(page: string): CodeBlock[] {
  const text = readFileSync(ROOT + page, "utf8");
  const found = text.matchAll(/^```(tsx|ts|js)\n(.*?)^```$/gms);
  return [...found].map(([, language, code]) => ({
    page,
    language: language as CodeBlock["language"],
    code: code ?? "",
  }));
}

type Scope = Record<string, unknown>;
type Compiled = (...values: unknown[]) => Promise<Scope>;
const AsyncFunction = (async () => undefined).constructor as new (...names: string[]) => Compiled;

/**
 * Runs a block to its end, with what it imports and what it takes as given.
 * @param results names of its own whose values are wanted
 */
export async function runBlock(
  { code }: CodeBlock,
  given: Scope,
  results: readonly string[] = [],
): Promise<Scope> {
  // Imported names are given, as all others.
  const body = stripTypeScriptTypes(code.replace(/^import .*$/gm, "").replace(/^export /gm, ""));
  const run = new AsyncFunction(
    ...Object.keys(given),
    `"use strict";\n${body}\nreturn { ${results.join(", ")} };`,
  );
  return run(...Object.values(given));
}

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

export type Row = Record<string, string | number | boolean>;

export interface Results {
  question: string;
  settings: Record<string, unknown>;
  rows: readonly Row[];
  /** Facts that a reader of the numbers has to know. */
  notes?: readonly string[];
}

/** Load of the machine over the last minute: what else ran belongs beside each number. */
export const loadNow = (): number => Number((loadavg()[0] ?? 0).toFixed(1));

/** Two digits that matter, three where there are more. */
export function rounded(value: number): number {
  return Number.isNaN(value) ? -1 : Number(value.toPrecision(3));
}

/** Prints one table and writes `results/<question>.json`. */
export function report(results: Results): void {
  console.table(results.rows);
  for (const note of results.notes ?? []) console.log(`* ${note}`);
  const folder = new URL("../results/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const file = fileURLToPath(new URL(`${results.question}.json`, folder));
  writeFileSync(file, `${JSON.stringify({ ...provenance(), ...results }, null, 2)}\n`);
  console.log(`written to loadtest/results/${results.question}.json`);
}

function provenance(): object {
  return {
    date: new Date().toISOString(),
    commit:
      git("rev-parse", "--short", "HEAD") +
      (git("status", "--porcelain", "-uno") === "" ? "" : " with changes"),
    machine: {
      cores: cpus().length,
      model: cpus()[0]?.model ?? "",
      memoryGiB: Math.round(totalmem() / 1024 ** 3),
      node: process.version,
    },
  };
}

function git(...args: string[]): string {
  try {
    return execFileSync("git", args, { encoding: "utf8", cwd: import.meta.dirname }).trim();
  } catch {
    return "unknown";
  }
}

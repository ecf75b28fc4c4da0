import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { REPOSITORY } from "./paths.ts";

/** All that the pages are made of. */
const SOURCES = ["services/web", "libs/client", "libs/core", "package-lock.json"];
const WEB = join(REPOSITORY, "services", "web");
export const WEB_ROOT = join(WEB, "dist");
const STAMP = join(WEB_ROOT, ".stamp");
const BUILD_TIMEOUT_MS = 120_000;

/**
 * Builds chat page and console, where their sources are others than at the last time. Two at once are safe: each builds
 * beside, and puts it in place in one step.
 * @throws Error with what the build tool says
 */
export async function buildWeb(report: (line: string) => void): Promise<void> {
  const wanted = fingerprint();
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === wanted) return;
  report("Building the chat page and the console");
  const beside = `${WEB_ROOT}.${process.pid}`;
  const vite = join(REPOSITORY, "node_modules", "vite", "bin", "vite.js");
  const args = [vite, "build", WEB, "--outDir", beside, "--emptyOutDir", "--logLevel", "error"];
  try {
    await promisify(execFile)(process.execPath, args, { cwd: REPOSITORY, timeout: BUILD_TIMEOUT_MS });
    writeFileSync(join(beside, ".stamp"), wanted);
    rmSync(WEB_ROOT, { recursive: true, force: true });
    renameSync(beside, WEB_ROOT);
  } catch (error) {
    // Another launcher was quicker to put its own in place, and it is the same.
    if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === wanted) return;
    throw error;
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
}

function fingerprint(): string {
  const hash = createHash("sha256");
  for (const source of SOURCES) {
    const path = join(REPOSITORY, source);
    const files = source.endsWith(".json") ? [path] : filesUnder(path);
    for (const file of files) hash.update(file).update(readFileSync(file));
  }
  return hash.digest("hex");
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter(
      (file) => !/[/\\](node_modules|dist(\.\d+)?|docs)[/\\]|\.test\.tsx?$/.test(file.slice(folder.length)),
    )
    .toSorted();
}

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
/** What `scripts/pack.ts` writes for a package that doesn't say it itself. */
const DEFAULT = /engines = \{ node: "(.+?)" \}/.exec(
  readFileSync(join(ROOT, "scripts", "pack.ts"), "utf8"),
)?.[1];

interface Manifest {
  name: string;
  private?: boolean;
  engines?: { node?: string };
  dependencies?: Record<string, string>;
}

const read = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")) as Manifest;

/** The oldest release that a range allows, as a number: `>=22.12` is 22,012. Infinity: the range can't be read. */
function oldestOf(range: string): number {
  const releases = range.split("||").map((part) => /^\s*(?:>=|\^)\s*v?(\d+)(?:\.(\d+|x))?/.exec(part));
  const numbers = releases.map((found) =>
    found === null ? Infinity : Number(found[1]) * 1_000 + (Number(found[2]) || 0),
  );
  return Math.min(...numbers);
}

/** All that is installed with a package, by name, found where Node finds it: in the package's folder, else at the root. */
function neededBy(folder: string, seen = new Map<string, Manifest>()): Map<string, Manifest> {
  for (const name of Object.keys(read(folder).dependencies ?? {})) {
    if (seen.has(name)) continue;
    const own = `${folder}/node_modules/${name}`;
    const found = existsSync(join(ROOT, own, "package.json")) ? own : `node_modules/${name}`;
    seen.set(name, read(found));
    neededBy(found, seen);
  }
  return seen;
}

const published = readdirSync(join(ROOT, "libs"))
  .map((folder) => ({ folder: `libs/${folder}`, manifest: read(`libs/${folder}`) }))
  .filter(({ manifest }) => manifest.private !== true);

test.each(published.map(({ folder, manifest }) => [manifest.name, folder, manifest] as const))(
  "%s claims no release of Node that what it needs refuses",
  (_, folder, manifest) => {
    const ours = oldestOf(manifest.engines?.node ?? DEFAULT ?? "");
    expect(ours).toBeLessThan(Infinity);
    const refusing = [...neededBy(folder)]
      .filter(([name]) => !name.startsWith("@sluice/"))
      .filter(([, { engines }]) => engines?.node !== undefined && oldestOf(engines.node) > ours);
    expect(refusing.map(([name, { engines }]) => `${name} ${engines?.node}`)).toEqual([]);
  },
);

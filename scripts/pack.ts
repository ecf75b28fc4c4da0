/**
 * Builds what is published. Every library that isn't private becomes JavaScript with types and a package.json of its own in
 * its `dist/`, and a tarball beside the others:
 *
 *   npm run pack                        all of them, into ./dist
 *   npm run pack -- client --to /tmp    one, and what it depends on
 *
 * Inside the repository everything runs from the sources; this is only for those who install it from elsewhere.
 */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const ROOT = resolve(import.meta.dirname, "..");
const LIBS = join(ROOT, "libs");
const SCOPE = "@sluice/";

interface Manifest {
  name: string;
  version: string;
  description: string;
  license: string;
  private?: boolean;
  sideEffects?: boolean;
  engines?: Record<string, string>;
  exports: Record<string, string>;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { to: { type: "string", default: join(ROOT, "dist") } },
});
const target = resolve(values.to);
mkdirSync(target, { recursive: true });
const published = readdirSync(LIBS).filter((folder) => manifestOf(folder).private !== true);
for (const folder of inOrder(positionals.length > 0 ? positionals : published)) {
  build(folder);
  npm("pack", join(LIBS, folder, "dist"), "--pack-destination", target, "--silent");
  console.log(`packed ${SCOPE}${folder}`);
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(LIBS, folder, "package.json"), "utf8")) as Manifest;
}

/** The libraries of ours that it needs when it runs. */
function needsOf(folder: string): string[] {
  const names = Object.keys(manifestOf(folder).dependencies ?? {});
  return names.filter((name) => name.startsWith(SCOPE)).map((name) => name.slice(SCOPE.length));
}

/** Each once, after what it needs. */
function inOrder(folders: readonly string[], done = new Set<string>()): Set<string> {
  for (const folder of folders) {
    if (done.has(folder)) continue;
    inOrder(needsOf(folder), done);
    done.add(folder);
  }
  return done;
}

function build(folder: string): void {
  const dist = join(LIBS, folder, "dist");
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  const config = join(dist, "tsconfig.json");
  writeFileSync(config, JSON.stringify(compilerConfig(folder)));
  execFileSync(join(ROOT, "node_modules", ".bin", "tsc"), ["-p", config], {
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  rmSync(config);
  for (const file of readdirSync(dist).filter((name) => name.endsWith(".js")))
    renameWorkers(join(dist, file));
  writeFileSync(join(dist, "package.json"), `${JSON.stringify(publishedManifest(folder), null, 2)}\n`);
  copyFileSync(join(ROOT, "LICENSE"), join(dist, "LICENSE"));
  const readme = join(LIBS, folder, "README.md");
  if (existsSync(readme)) copyFileSync(readme, join(dist, "README.md"));
}

/** The compiler rewrites imports, but not the URLs of workers, which bundlers look for as they stand. */
function renameWorkers(file: string): void {
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replaceAll(/(new URL\("\.\/[\w-]+)\.ts(", import\.meta\.url\))/g, "$1.js$2"));
}

function compilerConfig(folder: string): object {
  const built = inOrder(needsOf(folder));
  return {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      target: "es2022",
      rootDir: "../src",
      outDir: ".",
      // What it needs is there already, built: its sources would land in this package.
      paths: Object.fromEntries([...built].map((each) => [SCOPE + each, [`../../${each}/dist/index.d.ts`]])),
    },
    include: ["../src"],
    exclude: ["../src/**/*.test.ts", "../src/**/*.test.tsx"],
  };
}

function publishedManifest(folder: string): object {
  const {
    private: _,
    exports,
    dependencies = {},
    engines = { node: ">=22.12" },
    ...manifest
  } = manifestOf(folder);
  const entry = (source: string): object => {
    const file = source.replace("./src/", "./").replace(/\.ts$/, "");
    return { types: `${file}.d.ts`, default: `${file}.js` };
  };
  return {
    ...without(manifest, "devDependencies"),
    engines,
    exports: Object.fromEntries(Object.entries(exports).map(([path, source]) => [path, entry(source)])),
    dependencies: Object.fromEntries(
      Object.entries(dependencies).map(([name, version]) => [
        name,
        name.startsWith(SCOPE) ? manifestOf(name.slice(SCOPE.length)).version : version,
      ]),
    ),
  };
}

function without(manifest: object, member: string): object {
  return Object.fromEntries(Object.entries(manifest).filter(([name]) => name !== member));
}

function npm(...args: string[]): void {
  const cli = process.env["npm_execpath"];
  const [command, ...before] = cli === undefined ? ["npm"] : [process.execPath, cli];
  execFileSync(command ?? "npm", [...before, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
    shell: cli === undefined && process.platform === "win32",
  });
}

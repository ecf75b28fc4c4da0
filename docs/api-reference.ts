/**
 * Checks, and builds, the API reference of every published package:
 *
 *   npm run docs                  fails on each warning of typedoc
 *   npm run docs -- --out dist    and writes HTML to dist/<package>
 *   npm run docs -- --libs dir    of the packages of another folder: for the test that it can fail
 *
 * In the packages of `COMPLETE` each export and each member of it needs a comment, and each type that they name is exported.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Application, LogLevel, type TypeDocOptions } from "typedoc";

const ROOT = resolve(import.meta.dirname, "..");

/** Packages whose whole surface is documented. Add a package once `npm run docs` passes with it. */
const COMPLETE = new Set(["producer"]);

interface Manifest {
  readonly private?: boolean;
  readonly exports: Readonly<Record<string, string>>;
}

const { values } = parseArgs({
  options: { out: { type: "string" }, libs: { type: "string", default: join(ROOT, "libs") } },
});
const LIBS = resolve(values.libs);
const published = readdirSync(LIBS)
  .map((folder) => ({ folder, manifest: manifestOf(folder) }))
  .filter(({ manifest }) => manifest.private !== true);
if (published.length === 0) throw new Error("no package is published: there is nothing to check");

let warnings = 0;
for (const { folder, manifest } of published) {
  const entryPoints = Object.values(manifest.exports).map((source) => join(LIBS, folder, source));
  warnings += await reference(folder, entryPoints);
}
process.stdout.write(`docs: ${published.length} packages, ${warnings} warnings\n`);
process.exitCode = warnings === 0 ? 0 : 1;

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(LIBS, folder, "package.json"), "utf8")) as Manifest;
}

/** @returns how many warnings and errors typedoc has */
async function reference(folder: string, entryPoints: string[]): Promise<number> {
  // A name of its own: typedoc reads a file that it has read before from its memory.
  const tsconfig = join(import.meta.dirname, `tsconfig.${folder}.json`);
  writeFileSync(tsconfig, JSON.stringify(compilerConfig(entryPoints)));
  try {
    const app = await Application.bootstrap(options(folder, entryPoints, tsconfig));
    const project = await app.convert();
    if (project === undefined) return 1;
    app.validate(project);
    if (values.out !== undefined) await app.generateDocs(project, join(resolve(values.out), folder));
    return app.logger.warningCount + app.logger.errorCount;
  } finally {
    rmSync(tsconfig);
  }
}

/** Only what the entry points reach: the tests and the rest of the repository are `npm run types`' business. */
function compilerConfig(files: readonly string[]): object {
  return {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: { lib: ["es2024", "esnext.disposable", "dom", "dom.iterable"], jsx: "react-jsx" },
    include: [],
    files,
  };
}

function options(folder: string, entryPoints: string[], tsconfig: string): TypeDocOptions {
  return {
    name: `@sluice/${folder}`,
    entryPoints,
    tsconfig,
    basePath: ROOT,
    // Its links are checked by deploy/documents.test.ts.
    readme: values.out === undefined ? "none" : join(LIBS, folder, "README.md"),
    // TypeScript 7 has checked the types; this one may judge differently.
    skipErrorChecking: true,
    excludePrivate: true,
    excludeInternal: true,
    disableGit: true,
    disableSources: true,
    logLevel: LogLevel.Warn,
    validation: {
      notExported: COMPLETE.has(folder),
      invalidLink: true,
      rewrittenLink: true,
      notDocumented: COMPLETE.has(folder),
    },
  };
}

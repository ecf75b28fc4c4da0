/**
 * Proves that imports go one way: `core ← protocol ← adapters, producer, client ← services`, `runtime ← services`.
 *
 * Reads names, relative paths, type imports, re-exports, dynamic imports and `require`, and refuses what it cannot read
 * (a computed specifier). Passing on nothing would prove nothing: zero files, a package without a rule and a name
 * without a package all fail.
 */
import { existsSync, readFileSync, readdirSync, realpathSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import { parseSync, Visitor } from "oxc-parser";
import type { Expression, Node } from "oxc-parser";

interface Rule {
  /** The packages it may import, without `@sluice/`. */
  readonly packages: readonly string[];
  /** The npm packages it may import; "any" leaves that to knip, and allows Node's own modules. */
  readonly external: readonly string[] | "any";
  /** May read the environment, handle signals and exit outside of `main.ts`. */
  readonly process?: true;
}

const LIBRARIES = [
  "core",
  "protocol",
  "broker-nats",
  "cache-redis",
  "producer",
  "client",
  "react",
  "adapters",
  "drop-ins",
  "runtime",
  "memory",
  "servers",
  "testing",
];
const SERVICES = ["ingest", "edge", "gateway", "worker", "cli", "web"];
const SERVICE: Rule = {
  packages: ["core", "protocol", "broker-nats", "cache-redis", "producer", "runtime"],
  external: "any",
};

/** Services that hand other libraries' streams on. */
const ADAPTING: Rule = { ...SERVICE, packages: [...SERVICE.packages, "adapters"] };

/** A folder that is not listed here may not exist. */
const RULES: Readonly<Record<string, Rule>> = {
  "libs/core": { packages: [], external: [] },
  "libs/protocol": { packages: ["core"], external: ["zod"] },
  "libs/broker-nats": { packages: ["core", "protocol"], external: "any" },
  "libs/cache-redis": { packages: ["core", "protocol"], external: "any" },
  "libs/producer": { packages: ["core", "protocol", "broker-nats"], external: "any" },
  // What other libraries' streams become here: for workers.
  "libs/adapters": { packages: ["core", "protocol", "producer"], external: "any" },
  // Runs in browsers.
  "libs/client": { packages: ["core", "protocol"], external: ["eventsource-parser"] },
  "libs/react": { packages: ["core", "client"], external: ["react"] },
  // Other libraries' interfaces, on top of Sluice: for applications that switch.
  // Reads the environment as they do, so that only an import has to change.
  "libs/drop-ins": {
    packages: ["core", "protocol", "client", "producer", "adapters"],
    external: "any",
    process: true,
  },
  // Is the lifecycle that the `main.ts` files use: signals and exits are its subject.
  "libs/runtime": { packages: ["core", "protocol"], external: "any", process: true },
  // The ports in one process: an equal of broker-nats and cache-redis.
  "libs/memory": { packages: ["core", "protocol"], external: "any" },
  // Finds, installs and runs server programs, and cleans up when the process ends.
  "libs/servers": { packages: [], external: "any", process: true },
  // Contract suites, faults and readers for tests.
  "libs/testing": { packages: LIBRARIES, external: "any", process: true },
  "services/ingest": SERVICE,
  "services/edge": SERVICE,
  "services/gateway": ADAPTING,
  "services/worker": ADAPTING,
  // Reads as every other application does.
  "services/cli": { ...SERVICE, packages: [...SERVICE.packages, "client"] },
  // Pages for browsers; the gateway serves what they are built to.
  "services/web": { packages: ["core", "client", "react"], external: "any" },
  // The launcher starts the system, or runs all of it in one process.
  deploy: { packages: [...LIBRARIES, ...SERVICES], external: "any", process: true },
  loadtest: { packages: [...LIBRARIES, ...SERVICES, "deploy"], external: "any", process: true },
};

/** Folders of a service, in the order in which imports go: each may import itself and those behind it. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  "services/edge": ["http", "connection", "stream"],
  "services/ingest": ["partition", "rebuild", "endings"],
  "services/gateway": ["proxy", "streams", "append", "control", "idempotency", "budget", "http"],
};

/** A test, or what stands in the `test` folder of a package. */
const TEST_FILE = /\.test\.tsx?$|^[^/\\]+[/\\][^/\\]+[/\\]test[/\\]/;
const SOURCE_FILE = /\.[cm]?[jt]sx?$/;
const TEST_TOOLS = ["vitest", "fast-check", "testcontainers"];
/** Where a process begins: `main.ts`, and what a package's `bin` names. */
const ENTRY_FILE = /[/\\](main\.ts|bin[/\\][^/\\]+\.js)$/;
const MAIN_ONLY = ["env", "exit", "exitCode", "abort", "on", "once", "addListener"];

export interface Result {
  readonly files: number;
  /** `path:line what is wrong`, in order of the paths. */
  readonly violations: readonly string[];
}

export function checkDirections(root: string): Result {
  const violations: string[] = [];
  let files = 0;
  for (const folder of packageFolders(root)) {
    const rule = RULES[folder];
    if (!rule) {
      violations.push(`${folder}:1 is a package without a rule in scripts/directions.ts`);
      continue;
    }
    for (const file of sourceFiles(join(root, folder))) {
      files += 1;
      violations.push(...checkFile({ root, folder, file, rule }));
    }
  }
  if (files === 0) violations.push(".:1 no source file was found, so nothing is proven");
  return { files, violations };
}

interface Subject {
  readonly root: string;
  readonly folder: string;
  readonly file: string;
  readonly rule: Rule;
}

function checkFile(subject: Subject): string[] {
  const { root, file, rule } = subject;
  const text = readFileSync(file, "utf8");
  const { program, errors } = parseSync(file, text);
  const found: string[] = [];
  const report = (at: { start: number }, what: string) => {
    const line = text.slice(0, at.start).split("\n").length;
    found.push(`${relative(root, file).replaceAll(sep, "/")}:${line} ${what}`);
  };
  for (const error of errors)
    report({ start: error.labels[0]?.start ?? 0 }, `does not parse: ${error.message}`);

  const visitSpecifier = (node: Node, source: Node | null | undefined) => {
    if (!source) return;
    const specifier = literal(source);
    const wrong =
      specifier === undefined ? "a computed specifier can't be checked" : judge(subject, specifier);
    if (wrong) report(node, wrong);
  };
  const processIsFree = rule.process ?? (isTest(subject) || ENTRY_FILE.test(file));
  const inMainOnly = (node: Node, name: string | undefined) => {
    if (processIsFree || (name !== undefined && !MAIN_ONLY.includes(name))) return;
    report(node, `only main.ts may use process.${name ?? "[computed]"}`);
  };

  new Visitor({
    ImportDeclaration: (node) => {
      visitSpecifier(node, node.source);
      // Its named imports would hide `process.env` from the rule below; the global is as good.
      if (/^(node:)?process$/.test(node.source.value) && !processIsFree)
        report(node, "use the global `process`");
    },
    ExportNamedDeclaration: (node) => visitSpecifier(node, node.source),
    ExportAllDeclaration: (node) => visitSpecifier(node, node.source),
    ImportExpression: (node) => visitSpecifier(node, node.source),
    TSImportType: (node) => visitSpecifier(node, node.source),
    TSExternalModuleReference: (node) => visitSpecifier(node, node.expression),
    CallExpression: (node) => {
      if (isLoader(node.callee)) visitSpecifier(node, node.arguments[0] ?? node);
    },
    MemberExpression: (node) => {
      if (!isProcess(node.object)) return;
      inMainOnly(node, node.computed ? literal(node.property) : propertyName(node.property));
    },
    VariableDeclarator: (node) => {
      // `const { env } = process`, or another name for it: the property can't be followed.
      if (node.init && isProcess(node.init)) inMainOnly(node, undefined);
    },
  }).visit(program);
  return found;
}

/** Judges a specifier in its file. @returns what is wrong with it, if anything */
function judge({ root, folder, file, rule }: Subject, specifier: string): string | undefined {
  const inTest = isTest({ root, file });
  if (specifier.startsWith(".")) {
    const target = resolve(dirname(file), specifier);
    if (!target.startsWith(join(root, folder) + sep))
      return `a relative path leaves the package: ${specifier}`;
    return inTest ? undefined : judgeRooms({ root, folder, file }, target);
  }
  if (/^(\/|file:|[A-Za-z]:)/.test(specifier) && !isBuiltin(specifier)) {
    return folder === "loadtest" && specifier.startsWith("https:")
      ? undefined
      : `not a package: ${specifier}`;
  }
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  if (name.startsWith("@sluice/"))
    return judgePackage({ root, folder, file, rule }, specifier, name.slice(8));
  if (TEST_TOOLS.includes(name)) {
    const allowed = inTest || ["libs/testing", "deploy", "loadtest"].includes(folder);
    return allowed ? undefined : `only tests may import ${name}`;
  }
  if (rule.external === "any" || rule.external.includes(name) || inTest) return undefined;
  return `${folder} may not import ${specifier}`;
}

/** Judges the direction of an import within a service. @returns what is wrong with it, if anything */
function judgeRooms(
  { root, folder, file }: Pick<Subject, "root" | "folder" | "file">,
  target: string,
): string | undefined {
  const rooms = ROOMS[folder];
  if (rooms === undefined) return undefined;
  const roomOf = (path: string): string => {
    const [, room = "", ...rest] = relative(join(root, folder), path).split(sep);
    return rest.length === 0 ? "" : room;
  };
  const [from, to] = [roomOf(file), roomOf(target)];
  const unknown = [from, to].find((room) => room !== "" && !rooms.includes(room));
  if (unknown !== undefined)
    return `${folder}/src/${unknown} has no place among the ROOMS of scripts/directions.ts`;
  if (from === "" || to === "" || rooms.indexOf(from) <= rooms.indexOf(to)) return undefined;
  return `${from}/ may not import ${to}/: imports go ${rooms.join(" → ")}`;
}

function judgePackage(
  { root, folder, file, rule }: Subject,
  specifier: string,
  name: string,
): string | undefined {
  const target = ["libs", "services", "."].map((parent) => join(root, parent, name)).find(isPackage);
  if (!target) return `no such package: ${specifier}`;
  const subpath = specifier.slice(`@sluice/${name}`.length);
  if (subpath !== "" && !(`.${subpath}` in exportsOf(target))) return `deep import: ${specifier}`;

  const targetFolder = relative(root, target).replaceAll(sep, "/");
  if (targetFolder === folder) return undefined;
  const isLibraryForTest = isTest({ root, file }) && targetFolder.startsWith("libs/");
  return rule.packages.includes(name) || isLibraryForTest
    ? undefined
    : `${folder} may not import @sluice/${name}`;
}

function packageFolders(root: string): string[] {
  const children = (parent: string) =>
    existsSync(join(root, parent))
      ? readdirSync(join(root, parent), { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map((entry) => `${parent}/${entry.name}`)
      : [];
  const folders = [...children("libs"), ...children("services"), "deploy", "loadtest"];
  return folders.filter((folder) => existsSync(join(root, folder))).toSorted();
}

function isTest({ root, file }: Pick<Subject, "root" | "file">): boolean {
  return TEST_FILE.test(relative(root, file));
}

function isPackage(folder: string): boolean {
  return existsSync(join(folder, "package.json"));
}

function exportsOf(folder: string): object {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { exports?: object };
  return manifest.exports ?? {};
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && SOURCE_FILE.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !/[/\\](node_modules|dist)[/\\]/.test(file.slice(folder.length)))
    .toSorted();
}

function literal(node: Node): string | undefined {
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  if (node.type === "TemplateLiteral" && node.expressions.length === 0)
    return node.quasis[0]?.value.cooked ?? undefined;
  return undefined;
}

function propertyName(node: Node): string | undefined {
  return node.type === "Identifier" ? node.name : undefined;
}

function isProcess(node: Node): boolean {
  if (node.type === "Identifier") return node.name === "process";
  return (
    node.type === "MemberExpression" && propertyName(node.property) === "process" && isGlobal(node.object)
  );
}

function isGlobal(node: Node): boolean {
  return node.type === "Identifier" && ["globalThis", "global"].includes(node.name);
}

/** `require(…)`, `require.resolve(…)`, `import.meta.resolve(…)`, `vi.mock(…)` name a module too. */
function isLoader(callee: Expression): boolean {
  if (callee.type === "Identifier") return callee.name === "require";
  if (callee.type !== "MemberExpression") return false;
  const method = propertyName(callee.property);
  if (callee.object.type === "MetaProperty") return method === "resolve";
  if (callee.object.type !== "Identifier") return false;
  return callee.object.name === "require"
    ? method === "resolve"
    : callee.object.name === "vi" && /^(do)?[mM]ock$|^importActual$/.test(method ?? "");
}

// `import.meta.main` came after 24.0, and where it is missing this check would do nothing and pass.
if (process.argv[1] && realpathSync(process.argv[1]) === import.meta.filename) {
  const { files, violations } = checkDirections(resolve(import.meta.dirname, ".."));
  for (const violation of violations) console.error(violation);
  console.log(`directions: ${files} files, ${violations.length} violations`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}

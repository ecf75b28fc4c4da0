import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { chunkFrame, startHostileEdge } from "@sluice/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const MINUTE = 60_000;

let folder: string;

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** A Node that isn't ours: as old as the ones that users have. */
function otherNode(): string | null {
  const folders = (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((path) => !path.includes("node_modules"));
  const found = folders
    .map((path) => join(path, "node"))
    .find((path) => spawnSync(path, ["-v"]).status === 0);
  return found ?? null;
}

/** An application of somebody else's, with the client and what it needs as they are published. No registry is asked. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "packed-"));
  run(process.execPath, [join(ROOT, "scripts", "pack.ts"), "client", "--to", folder]);
  const tarballs = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  const dependencies = Object.fromEntries([
    ...tarballs.map((name) => [`@sluice/${/^sluice-(.+)-\d/.exec(name)?.[1] ?? ""}`, `file:${name}`]),
    ["eventsource-parser", `file:${join(ROOT, "node_modules", "eventsource-parser")}`],
  ]) as Record<string, string>;
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", dependencies }));
  execFileSync("npm", ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
}, MINUTE);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PROGRAM = `
import { createClient, type StreamChunk } from "@sluice/client";
import { shareTabs } from "@sluice/client/tabs";

const client = createClient({ edgeUrl: process.argv[2] ?? "", share: shareTabs() });
const words: string[] = [];
for await (const chunk of client.stream("s")) words.push(wordOf(chunk));
console.log(words.join("|"));

function wordOf({ chunk_type: type, sequence }: StreamChunk): string {
  return type.type === "Text" ? type.content : \`\${type.type} \${sequence}\`;
}
`;

test.each([
  ["a bundler", { module: "esnext", moduleResolution: "bundler", lib: ["es2022", "dom", "dom.iterable"] }],
  ["Node", { module: "nodenext", lib: ["es2022"] }],
])("the packed client's types check in an application for %s", (_for, options) => {
  const compilerOptions = {
    ...options,
    target: "es2022",
    strict: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    types: ["node"],
    typeRoots: [join(ROOT, "node_modules", "@types")],
  };
  writeFileSync(join(folder, "main.ts"), PROGRAM);
  writeFileSync(join(folder, "wrong.ts"), `${PROGRAM}\nclient.stream(7);`);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }));
  const tsc = join(ROOT, "node_modules", ".bin", "tsc");
  expect(run(tsc, ["-p", folder])).toBe("");
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["wrong.ts"] }));
  expect(() => run(tsc, ["-p", folder])).toThrow();
});

test("the packed client's worker is where its URL says", () => {
  const packed = join(folder, "node_modules", "@sluice", "client");
  const [, worker = ""] =
    /new URL\("(.+?)", import\.meta\.url\)/.exec(readFileSync(join(packed, "tabs.js"), "utf8")) ?? [];
  expect(readFileSync(join(packed, worker), "utf8")).toContain("serveTabs()");
});

test("the packed client reads a stream in the Node that is installed here", async ({ skip }) => {
  const node = otherNode() ?? skip("no Node but ours is installed");
  await using edge = await startHostileEdge([
    chunkFrame(1, { type: "Text", content: "Hello" }),
    chunkFrame(2, { type: "Complete", summary: null }),
  ]);
  // Old ones can't run types.
  const plain = `
    import { createClient } from "@sluice/client";
    const seen = [];
    for await (const { sequence } of createClient({ edgeUrl: "${edge.url}" }).stream("s")) seen.push(sequence);
    console.log(process.version, seen.join());`;
  writeFileSync(join(folder, "main.js"), plain);
  const { stdout } = await promisify(execFile)(node, ["main.js"], { cwd: folder });
  expect(stdout).toMatch(/^v\d+\S* 1,2\n$/);
});

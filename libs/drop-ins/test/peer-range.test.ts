import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../..", import.meta.url));
let folder: string;

beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "peer-range-"))));
afterAll(() => rm(folder, { recursive: true }));

test.each([
  ["5", "ai-5"],
  ["6", "ai"],
  ["7", "ai-7"],
])("the chat transport's types fit the AI SDK %s, which the peer range allows", async (major, name) => {
  const ours = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8")) as {
    peerDependencies: { ai: string };
  };
  expect(ours.peerDependencies.ai).toBe(">=5 <8");
  const folderOfTheirs = join(root, "node_modules", name);
  const types = join(folderOfTheirs, "dist", "index.d.ts");
  const config = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: { paths: { ai: [types] }, typeRoots: [join(root, "node_modules", "@types")] },
    files: [fileURLToPath(new URL("../src/ai-sdk.ts", import.meta.url))],
    include: [],
  };
  const file = join(folder, `${name}.json`);
  await writeFile(file, JSON.stringify(config));
  const { stdout } = await run(join(root, "node_modules", ".bin", "tsc"), ["-p", file, "--listFiles"]);
  expect(stdout).toContain(types);
  expect(await readFile(join(folderOfTheirs, "package.json"), "utf8")).toContain(`"version": "${major}.`);
});

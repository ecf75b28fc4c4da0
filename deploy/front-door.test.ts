import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { expect, test } from "vitest";
import { readText } from "./deployment-files.ts";
import { REPOSITORY } from "./local/paths.ts";

/** Not decided yet; CONTRIBUTING.md says how to change it. */
const ADDRESS = "https://github.com/sluice-streams/sluice";

interface Step {
  readonly uses?: string;
  readonly run?: string;
}
interface Workflow {
  readonly name: string;
  readonly on: unknown;
  readonly permissions?: unknown;
  readonly jobs: Readonly<
    Record<string, { readonly "timeout-minutes"?: number; readonly steps: readonly Step[] }>
  >;
}
interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly homepage?: string;
  readonly bugs?: string;
  readonly keywords?: readonly string[];
  readonly repository?: { readonly url: string; readonly directory?: string };
  readonly scripts?: Readonly<Record<string, string>>;
}

const WORKFLOWS = readdirSync(join(REPOSITORY, ".github/workflows"));
const root = readJson("package.json");

function readJson(path: string): Manifest {
  return JSON.parse(readText(path)) as Manifest;
}
function readWorkflow(file: string): Workflow {
  return parse(readText(`.github/workflows/${file}`)) as Workflow;
}
function stepsOf(workflow: Workflow): Step[] {
  return Object.values(workflow.jobs).flatMap(({ steps }) => steps);
}

/** Every `uses:` that is not a commit of 40 hex digits with its version behind it, by line. */
function unpinned(text: string): string[] {
  const lines = text.split("\n").filter((line) => /^\s*(?:- )?uses:/.test(line));
  return lines.filter((line) => !/uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line));
}

/** The npm scripts and files of the repository that shell lines call, and that are not there. */
function missingCommands(run: string): string[] {
  const scripts = [...run.matchAll(/\bnpm (?:run (?:--silent )?([\w:-]+)|(test|start|stop)\b)/g)]
    .map(([, named, short]) => named ?? short ?? "")
    .filter((name) => root.scripts?.[name] === undefined);
  const files = [...run.matchAll(/(?:^|\s)(\.ci\/\w+|scripts\/[\w.-]+)/g)]
    .map(([, path]) => path ?? "")
    .filter((path) => !readdirSync(join(REPOSITORY, path, "..")).includes(path.split("/").at(-1) ?? ""));
  return [...scripts, ...files];
}

test.each(WORKFLOWS)(
  "the workflow %s can be read, grants little, ends in time and calls what exists",
  (file) => {
    const workflow = readWorkflow(file);
    expect(workflow.on).toBeDefined();
    expect(workflow.permissions).toEqual({ contents: "read" });
    for (const job of Object.values(workflow.jobs)) expect(job["timeout-minutes"]).toBeLessThanOrEqual(60);
    const steps = stepsOf(workflow);
    expect(steps.length).toBeGreaterThan(0);
    expect(steps.flatMap(({ run = "" }) => missingCommands(run))).toEqual([]);
  },
);

test.each(WORKFLOWS)("the workflow %s names each action by commit", (file) => {
  const text = readText(`.github/workflows/${file}`);
  expect(unpinned(text)).toEqual([]);
  const used = stepsOf(readWorkflow(file)).filter(({ uses }) => uses !== undefined);
  expect(text.match(/uses:/g)?.length).toBe(used.length);
});

test("an action by tag, a script that is missing and a file that is missing are found", () => {
  expect(unpinned("      - uses: actions/checkout@v7")).toHaveLength(1);
  expect(unpinned("        uses: ./.github/actions/own")).toHaveLength(1);
  expect(
    missingCommands("npm run setup\nnpm run no-such\nnpm test -- --shard=1/3\n.ci/run\nscripts/gone.sh"),
  ).toEqual(["no-such", "scripts/gone.sh"]);
});

test("one version of an action is used everywhere", () => {
  const used = WORKFLOWS.flatMap((file) => stepsOf(readWorkflow(file)).flatMap(({ uses = [] }) => uses));
  const byName = Map.groupBy(new Set(used), (name) => name.split("@")[0] ?? "");
  for (const [name, versions] of byName) expect(versions, name).toHaveLength(1);
});

test("the suite's shards are numbered without a hole", () => {
  const { jobs } = parse(readText(".github/workflows/ci.yml")) as {
    jobs: { test: { strategy: { matrix: { shard: number[] } }; steps: Step[] } };
  };
  const { shard } = jobs.test.strategy.matrix;
  expect(shard).toEqual(shard.map((_, index) => index + 1));
  expect(jobs.test.steps.at(-1)?.run).toContain(`/${shard.length}`);
});

test("what is published says where it comes from, at one address and in one version", () => {
  for (const folder of ["libs", "services"])
    for (const name of readdirSync(join(REPOSITORY, folder)))
      expect(readJson(`${folder}/${name}/package.json`).version, name).toBe(root.version);
  const manifests = readdirSync(join(REPOSITORY, "libs")).map((folder) => ({
    folder,
    manifest: readJson(`libs/${folder}/package.json`),
  }));
  const published = manifests.filter(({ manifest }) => manifest.private !== true);
  expect(published.length).toBeGreaterThan(5);
  expect(root.repository?.url).toBe(`git+${ADDRESS}.git`);
  for (const { folder, manifest } of published) {
    expect(manifest.repository).toEqual({
      type: "git",
      url: `git+${ADDRESS}.git`,
      directory: `libs/${folder}`,
    });
    expect(manifest.homepage).toBe(`${ADDRESS}/tree/main/libs/${folder}#readme`);
    expect(manifest.bugs).toBe(`${ADDRESS}/issues`);
    expect(manifest.keywords?.length, manifest.name).toBeGreaterThan(1);
  }
});

test("the editor's and the container's settings, the bot's and the templates can be read", () => {
  for (const file of [".vscode/launch.json", ".devcontainer/devcontainer.json"])
    // YAML reads JSON; its comments are not JSON's.
    expect(() => parse(readText(file).replaceAll(/^\s*\/\/.*$/gm, ""))).not.toThrow();
  for (const file of [
    "dependabot.yml",
    "ISSUE_TEMPLATE/bug.yml",
    "ISSUE_TEMPLATE/idea.yml",
    "ISSUE_TEMPLATE/config.yml",
  ])
    expect(parse(readText(`.github/${file}`))).toBeTypeOf("object");
});

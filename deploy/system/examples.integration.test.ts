import { execFile, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Chunk, ChunkType } from "@sluice/core";
import { connectProducer, type StreamManager } from "@sluice/producer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startStack, type Stack } from "./stack.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const example = (path: string): string => join(root, "libs", path);

/** What the examples need is installed once, here. */
const cache = join(root, ".sluice", "examples");
const inVenv = (name: string): string =>
  join(cache, "venv", process.platform === "win32" ? "Scripts" : "bin", name);
const PYTHON_PACKAGES = ["nats-py==2.16.0", "httpx==0.28.1", "httpx-sse==0.4.3"];
const INSTALL_TIMEOUT_MS = 300_000;
const RUN_TIMEOUT_MS = 60_000;

const has = (command: string, args: string[]): Promise<boolean> =>
  run(command, args).then(
    () => true,
    () => false,
  );
// Anywhere else they are part of what is tested.
const isSkippable = process.env["CI"] === undefined;
const [noPython, noGo] = [
  isSkippable && !(await has("python3", ["--version"])),
  isSkippable && !(await has("go", ["version"])),
];

async function installPython(): Promise<void> {
  const stamp = join(cache, "venv", PYTHON_PACKAGES.join("+"));
  if (existsSync(stamp)) return;
  await run("python3", ["-m", "venv", "--clear", join(cache, "venv")], { timeout: INSTALL_TIMEOUT_MS });
  const quietly = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  await run(inVenv("python"), [...quietly, ...PYTHON_PACKAGES], { timeout: INSTALL_TIMEOUT_MS });
  await mkdir(stamp);
}

/** @returns the program */
async function build(folder: string, file: string): Promise<string> {
  const program = join(cache, file.replace(/\W/g, "-"));
  await run("go", ["build", "-o", program, file], {
    cwd: example(folder),
    timeout: INSTALL_TIMEOUT_MS,
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  return program;
}

let stack: Stack;
let producer: StreamManager;
let modelServer: Server;

beforeAll(async () => {
  stack = await startStack({ ingest: 1, edges: 2, gateway: true });
  producer = await connectProducer({ servers: stack.natsUrl });
  const answer = readFileSync(example("adapters/transcripts/openai-chat-tools.sse"));
  modelServer = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).end(answer);
  });
  await new Promise<void>((resolve) => modelServer.listen(0, "127.0.0.1", resolve));
});

afterAll(async () => {
  modelServer.close();
  await producer.close();
  await stack.stop();
});

/** Every chunk of a stream, as its readers get it, once it has ended. */
async function chunksOf(streamId: string): Promise<ChunkType[]> {
  const url = `${stack.edgeUrl}/streams/${streamId}/chunks?limit=1000`;
  type History = { status: string; chunks: Chunk[] };
  let history: History | undefined;
  await expect
    .poll(async () => (history = (await (await fetch(url)).json()) as History).status, { timeout: 20_000 })
    .not.toBe("open");
  const chunks = history?.chunks ?? [];
  expect(chunks.map(({ sequence }) => sequence)).toEqual(chunks.map((_, index) => index + 1));
  return chunks.map(({ chunk_type }) => chunk_type);
}

const text = "Streams that survive: ünïcödé 🔎 and all.";
const words = ["Streams ", "that ", "survive: ", "ünïcödé ", "🔎 ", "and ", "all."];
const asPublished: ChunkType[] = [
  ...words.map((content): ChunkType => ({ type: "Text", content })),
  { type: "Complete", summary: "7 words" },
];

const runProgram = (
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ stdout: string }> =>
  run(command, args, { timeout: RUN_TIMEOUT_MS, env: { ...process.env, ...env } });

describe("the examples of workers", () => {
  it("have less than 40 lines each", () => {
    const folders = ["adapters/examples", "producer/examples", "producer/examples/go-nats"];
    const files = folders.flatMap((folder) =>
      readdirSync(example(folder))
        .filter((name) => /\.(ts|py|go)$/.test(name))
        .map((name) => `${folder}/${name}`),
    );
    expect(files.length).toBeGreaterThanOrEqual(6);
    const lines = (file: string): number => readFileSync(example(file), "utf8").trimEnd().split("\n").length;
    expect(files.filter((file) => lines(file) >= 40)).toEqual([]);
  });

  it("stream a model's answer", async () => {
    const { port } = modelServer.address() as AddressInfo;
    const { stdout } = await runProgram(
      process.execPath,
      [example("adapters/examples/llm-response.ts"), stack.natsUrl, "Hello?"],
      { OPENAI_API_KEY: "sk-none", OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1` },
    );
    const chunks = await chunksOf(stdout.trim());
    expect(chunks.map((chunk) => (chunk.type === "Event" ? chunk.event_type : chunk.type))).toEqual([
      "Text",
      "tool_call_started",
      "tool_call_delta",
      "tool_call_delta",
      "tool_call_started",
      "tool_call_delta",
      "tool_call_completed",
      "tool_call_completed",
      "Complete",
    ]);
    expect(chunks.at(-1)).toEqual({ type: "Complete", summary: "Tokens used: 139" });
  });

  it("stream what a workflow does", async () => {
    const file = example("adapters/examples/workflow-execution.ts");
    const { stdout } = await runProgram(process.execPath, [file, stack.natsUrl]);
    const task = (task_id: string, index: number): ChunkType[] => [
      { type: "Event", event_type: "task_started", payload: { task_id } },
      { type: "Event", event_type: "task_completed", payload: { task_id, output: { rows: index * 100 } } },
      { type: "Progress", current: index + 1, total: 3, message: `${task_id} done` },
    ];
    expect(await chunksOf(stdout.trim())).toEqual([
      ...["fetch", "transform", "store"].flatMap(task),
      { type: "Complete", summary: "Workflow completed" },
    ]);
  });

  it.skipIf(noPython)("speak NATS and HTTP in Python", { timeout: INSTALL_TIMEOUT_MS }, async () => {
    await installPython();
    await Promise.all([
      runProgram(inVenv("python"), [
        example("producer/examples/worker_nats.py"),
        stack.natsUrl,
        "python-nats",
        text,
      ]),
      runProgram("python3", [
        example("producer/examples/worker_http.py"),
        stack.gatewayUrl,
        "python-http",
        text,
      ]),
    ]);
    expect(await chunksOf("python-nats")).toEqual(asPublished);
    expect(await chunksOf("python-http")).toEqual(asPublished);
  });

  it.skipIf(noGo)("speak NATS and HTTP in Go", { timeout: INSTALL_TIMEOUT_MS }, async () => {
    const [nats, http] = [
      await build("producer/examples/go-nats", "main.go"),
      await build("producer/examples", "worker_http.go"),
    ];
    await runProgram(nats, [stack.natsUrl, "go-nats", text]);
    await runProgram(http, [stack.gatewayUrl, "go-http", text]);
    expect(await chunksOf("go-nats")).toEqual(asPublished);
    expect(await chunksOf("go-http")).toEqual(asPublished);
  });
});

/** Starts one of the readers, and resolves with all that it wrote once it has ended well. */
type Reader = (url: string) => Promise<string>;

const program =
  (command: string, args: string[]): Reader =>
  (url) =>
    new Promise((resolve, reject) => {
      const child = spawn(command, [...args, url], {
        stdio: ["ignore", "pipe", "inherit"],
        timeout: RUN_TIMEOUT_MS,
      });
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (data: string) => (output += data));
      child.on("error", reject);
      child.on("close", (code) =>
        code === 0 ? resolve(output) : reject(new Error(`${command}: exit ${code}`)),
      );
    });

/** A page around the example: it writes what it is told, and stays until the end. */
const PAGE = `
  const { follow } = await import(process.argv[1]);
  const open = setInterval(() => undefined, 1000);
  follow(process.argv[2], (text) => process.stdout.write(text), () => clearInterval(open));
`;

const textOfLines = (lines: string): string =>
  lines
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as Chunk).chunk_type)
    .map((chunk) => (chunk.type === "Text" ? chunk.content : ""))
    .join("");

describe("the examples of readers", () => {
  /** All of a stream reaches the reader, though the edge that serves it dies in the middle. */
  async function reads(name: string, reader: Reader): Promise<string> {
    const { streamId, handle } = await producer.createStream({ streamId: `read-by-${name}` });
    const output = reader(`${stack.edgeUrl}/streams/${streamId}/events`);
    void output.catch(() => undefined);
    const serving = await servingEdge(streamId);
    for (const word of words.slice(0, 3)) await handle.sendText(word);
    await expect.poll(() => lastSequenceAt(serving, streamId), { timeout: 20_000 }).toBe(3);
    await stack.service(serving).kill();
    for (const word of words.slice(3)) await handle.sendText(word);
    await handle.sendComplete();
    const got = await output;
    await stack.service(serving).restart();
    return name === "curl" ? textOfLines(got) : got;
  }

  it.skipIf(noPython)("follow a stream in Python", { timeout: INSTALL_TIMEOUT_MS }, async () => {
    await installPython();
    expect(await reads("python", program(inVenv("python"), [example("client/examples/reader.py")]))).toBe(
      text,
    );
  });

  it.skipIf(noGo)("follow a stream in Go", { timeout: INSTALL_TIMEOUT_MS }, async () => {
    expect(await reads("go", program(await build("client/examples", "reader.go"), []))).toBe(text);
  });

  it("follow a stream with curl", { timeout: 60_000 }, async () => {
    expect(await reads("curl", program("bash", [example("client/examples/reader.sh")]))).toBe(text);
  });

  it("follow a stream with EventSource alone", { timeout: 60_000 }, async () => {
    const file = pathToFileURL(example("client/examples/event-source.js")).href;
    const asPage = ["--experimental-eventsource", "--no-warnings", "--input-type=module", "--eval", PAGE];
    expect(await reads("event-source", program(process.execPath, [...asPage, file]))).toBe(text);
  });
});

interface Connections {
  connections: { streams: { stream_id: string; last_sequence: number | null }[] }[];
}

async function lastSequenceAt(edge: string, streamId: string): Promise<number | null | undefined> {
  const response = await fetch(`${stack.service(edge).url}/connections?limit=100`).catch(() => null);
  const page = response?.ok === true ? ((await response.json()) as Connections) : null;
  const streams = page?.connections.flatMap((connection) => connection.streams);
  return streams?.find((stream) => stream.stream_id === streamId)?.last_sequence;
}

async function servingEdge(streamId: string): Promise<string> {
  let serving: string | undefined;
  await expect
    .poll(
      async () => {
        for (const edge of ["edge-1", "edge-2"]) {
          if ((await lastSequenceAt(edge, streamId)) !== undefined) serving = edge;
        }
        return serving;
      },
      { timeout: 20_000 },
    )
    .toBeDefined();
  return serving!;
}

import { execFile, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Chunk, ChunkType } from "@sluice/core";
import { connectProducer, type StreamManager } from "@sluice/producer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildGo, INSTALL_TIMEOUT_MS, noGo, noPython, pythonWith } from "./other-languages.ts";
import { startStack, type Stack } from "./stack.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const example = (path: string): string => join(root, "libs", path);

const RUN_TIMEOUT_MS = 60_000;
const PYTHON_PACKAGES = ["nats-py==2.16.0", "httpx==0.28.1", "httpx-sse==0.4.3"];

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
    const python = await pythonWith(PYTHON_PACKAGES);
    await Promise.all([
      runProgram(python, [example("producer/examples/worker_nats.py"), stack.natsUrl, "python-nats", text]),
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

  it.skipIf(noPython)(
    "speak HTTP in Python through lost answers, proxies' pages and a killed gateway",
    { timeout: 60_000 },
    async () => {
      await using proxy = await startFaultyProxy(() => stack.gatewayUrl);
      const written = runProgram("python3", [
        example("producer/examples/worker_http.py"),
        proxy.url,
        "python-faults",
        text,
      ]);
      await expect.poll(() => proxy.faults.length, { timeout: 30_000 }).toBeLessThan(5);
      await stack.service("gateway").kill();
      await expect.poll(() => proxy.unreached, { timeout: 30_000 }).toBeGreaterThan(0);
      await stack.service("gateway").restart();
      await written;
      expect(proxy.faults).toEqual([]);
      expect(await chunksOf("python-faults")).toEqual(asPublished);
    },
  );

  it.skipIf(noPython)("tell in Python why they were refused, without a traceback", async () => {
    const program = runProgram("python3", [
      example("producer/examples/worker_http.py"),
      stack.gatewayUrl,
      "no/id",
      text,
    ]);
    const failed = await program.then(
      () => expect.fail("it was not refused"),
      (error: unknown) => error as { code: number; stderr: string },
    );
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/^refused with 4\d\d: \{.*INVALID/);
    expect(failed.stderr).not.toContain("Traceback");
  });

  it.skipIf(noGo)("speak NATS and HTTP in Go", { timeout: INSTALL_TIMEOUT_MS }, async () => {
    const [nats, http] = [
      await buildGo(example("producer/examples/go-nats"), "main.go"),
      await buildGo(example("producer/examples"), "worker_http.go"),
    ];
    await runProgram(nats, [stack.natsUrl, "go-nats", text]);
    await runProgram(http, [stack.gatewayUrl, "go-http", text]);
    expect(await chunksOf("go-nats")).toEqual(asPublished);
    expect(await chunksOf("go-http")).toEqual(asPublished);
  });
});

type Fault = (response: ServerResponse, forward: () => Promise<Response>) => Promise<void> | void;

/** What a producer may meet between itself and a gateway. */
const FAULTS: readonly Fault[] = [
  (response) => void response.socket?.resetAndDestroy(),
  // The work was done, and nobody hears of it.
  async (response, forward) => void (await forward(), response.socket?.destroy()),
  async (response, forward) => {
    await forward();
    response
      .writeHead(201, { "content-length": 100 })
      .write('{"stream_id"', () => response.socket?.destroy());
  },
  (response) => void response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad Gateway</h1>"),
  (response) => void response.writeHead(503, { "retry-after": "0" }).end("<h1>busy</h1>"),
  (response) => void response.writeHead(503, { "retry-after": new Date(0).toUTCString() }).end(),
  (response) => void response.writeHead(429, { "retry-after": "1" }).end('{"code":"OVERLOADED"}'),
];

/** Treats the first requests badly, and hands the others on. */
async function startFaultyProxy(target: () => string) {
  const faults = [...FAULTS];
  const server = createServer((request, response) => {
    void (async () => {
      const body = await new Response(Readable.toWeb(request) as ReadableStream<Uint8Array>).text();
      const headers = Object.entries(request.headers).filter(([name]) =>
        /^(content-type|idempotency-key)$/.test(name),
      );
      const forward = (): Promise<Response> =>
        fetch(target() + request.url, { method: "POST", headers: headers as [string, string][], body });
      const fault = faults.shift();
      if (fault !== undefined) return fault(response, forward);
      const answer = await forward().catch(() => null);
      if (answer === null) proxy.unreached++;
      // As haproxy does where it has no server left.
      response.writeHead(answer?.status ?? 503, {
        "content-type": answer?.headers.get("content-type") ?? "text/html",
      });
      response.end(await answer?.text());
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    /** Requests for which there was no gateway. */
    unreached: 0,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
  return proxy;
}

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
    const python = await pythonWith(PYTHON_PACKAGES);
    expect(await reads("python", program(python, [example("client/examples/reader.py")]))).toBe(text);
  });

  it.skipIf(noGo)("follow a stream in Go", { timeout: INSTALL_TIMEOUT_MS }, async () => {
    expect(await reads("go", program(await buildGo(example("client/examples"), "reader.go"), []))).toBe(text);
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

import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { globSync } from "node:fs";
import { fromIterable } from "@sluice/adapters/iterable";
import { fromOpenAiChat } from "@sluice/adapters/openai-chat";
import { createClient, type ClientOptions } from "@sluice/client";
import { StreamError } from "@sluice/core";
import {
  createResumableStreamContext,
  type CreateResumableStreamContextOptions,
} from "@sluice/drop-ins/resumable-stream";
import { MemoryLog, MemoryStreamLog } from "@sluice/memory";
import { StreamManager } from "@sluice/producer";
import { chunkFrame, startHostileEdge, type HostileEdge } from "@sluice/testing";
import { EventSource } from "eventsource";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { codeBlocksOf, runBlock, type CodeBlock } from "./code-blocks.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const pages = globSync(["README.md", "{libs,services,loadtest,deploy}/**/README.md"], {
  cwd: ROOT,
  exclude: (name) => name.includes("node_modules") || name.includes("dist"),
});
const blocks = pages.flatMap((page) => codeBlocksOf(page));

/** The block of a page that has these words. */
function block(page: string, words: string): CodeBlock {
  const found = blocks.filter((each) => each.page === page && each.code.includes(words));
  expect(found).toHaveLength(1);
  return found[0]!;
}

/** What the blocks take as given, as they expect it. */
const GIVEN = `
declare const edgeUrl: string, gatewayUrl: string, chatId: string, prompt: string, id: string, skipCharacters: number;
declare const output: { textContent: string | null; append(text: string): void };
declare const after: (promise: Promise<unknown>) => void;
declare const report: (error: unknown) => void;
declare const answer: (prompt: string) => ReadableStream<string>;
declare const token: () => Promise<string>;
declare const show: (current: number, total: number | null) => void;
declare const signal: AbortSignal;
`;
const GIVEN_BY_PAGE: Record<string, string> = {
  "libs/client/README.md": `declare const client: import("@sluice/client").Client;
declare const createClient: typeof import("@sluice/client").createClient;
`,
  "libs/drop-ins/README.md": `
declare const manager: import("@sluice/producer").StreamManager;
declare const streamText: typeof import("ai").streamText, fromIterable: typeof import("@sluice/adapters/iterable").fromIterable;
declare const model: import("ai").LanguageModel, messages: any[];
declare const useChat: (options: { transport: import("ai").ChatTransport<import("ai").UIMessage>; [more: string]: unknown }) => unknown;`,
  "libs/adapters/README.md": `
declare const handle: import("@sluice/producer").StreamHandle, openai: import("openai").OpenAI;
declare const model: string, messages: any[];`,
};

test("every block of every README is correct in its types", async () => {
  const typed = blocks.filter(({ language }) => language !== "js");
  expect(typed.length).toBeGreaterThan(12);
  const folder = join(ROOT, ".sluice", "readme-blocks");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const files = await Promise.all(
    typed.map(async ({ page, language, code }, index) => {
      const file = join(folder, `${index}-${page.replace(/\W/g, "-")}.${language}`);
      // What a block makes itself it doesn't take as given.
      const imported = [...code.matchAll(/^import (?:type )?\{(.*?)\}/gm)].flatMap(
        ([, names = ""]) => names.match(/\w+/g) ?? [],
      );
      const made = [...code.matchAll(/\b(?:const|function) (?:\{ )?(\w+)/g)].map(([, name = ""]) => name);
      const own = new Set([...imported, ...made]);
      const declared = (GIVEN + (GIVEN_BY_PAGE[page] ?? ""))
        .split(/;\n/)
        .filter((line) => !own.has(/const (\w+):/.exec(line)?.[1] ?? ""));
      await writeFile(file, `${declared.join(";\n")};\n${code}\nexport {};\n`);
      return file;
    }),
  );
  const compilerOptions = {
    lib: ["es2024", "esnext.disposable", "dom", "dom.iterable", "dom.asynciterable"],
    module: "esnext",
    moduleResolution: "bundler",
    jsx: "react-jsx",
    noUnusedLocals: false,
    noUnusedParameters: false,
    // Their authors have other settings than we.
    exactOptionalPropertyTypes: false,
  };
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.json", compilerOptions, files, include: [] }),
  );
  const tsc = promisify(execFile)(join(ROOT, "node_modules", ".bin", "tsc"), ["-p", folder]);
  const { stdout } = await tsc.catch((error: unknown) => error as { stdout: string });
  expect(stdout).toBe("");
});

describe("the recipes of writers", () => {
  let log: MemoryLog;
  let streamLog: MemoryStreamLog;
  let manager: StreamManager;
  let reported: unknown[];
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): void => void unhandled.push(error);

  beforeEach(() => {
    log = new MemoryLog();
    streamLog = new MemoryStreamLog(log);
    const settings = { publishTimeoutMs: 50 };
    manager = new StreamManager({ log: streamLog, settings });
    reported = [];
    unhandled.length = 0;
    process.on("unhandledRejection", onUnhandled);
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await manager.close();
    await new Promise(setImmediate);
    process.off("unhandledRejection", onUnhandled);
    if (unhandled.length > 0)
      throw new Error("the recipe would have ended its process", { cause: unhandled[0] });
  });

  const breakLog = (): void => {
    vi.spyOn(streamLog, "append").mockRejectedValue(new StreamError("LOG_UNAVAILABLE", "the log is away"));
  };
  const written = (): string => log.messages.map(({ payload }) => Buffer.from(payload).toString()).join("");

  let deep: unknown = 1;
  for (let level = 0; level < 200; level++) deep = [deep];
  const PARTS: readonly (readonly [name: string, parts: readonly object[], failsLog: boolean])[] = [
    ["as it should be", [{ type: "text-delta", id: "t", delta: "Hello" }], false],
    ["with a part too large for a chunk", [{ type: "data-picture", data: "x".repeat(1_500_000) }], false],
    ["with a part too deep for a chunk", [{ type: "data-tree", data: deep }], false],
    ["while the log fails", [{ type: "text-delta", id: "t", delta: "Hello" }], true],
  ];

  test.each(PARTS)("an answer of the AI SDK %s", async (_, parts, failsLog) => {
    const streamText = (): object => ({
      toUIMessageStream: () =>
        ReadableStream.from(
          (async function* () {
            await new Promise(setImmediate);
            if (failsLog) breakLog();
            yield* parts;
          })(),
        ),
    });
    const given = {
      manager,
      streamText,
      fromIterable,
      model: null,
      messages: [],
      report: (error: unknown) => reported.push(error),
    };
    await runBlock(block("libs/drop-ins/README.md", "toUIMessageStream"), given);
    await expect.poll(() => (failsLog ? reported.length > 0 : written().includes("Complete"))).toBe(true);
    expect(reported.length).toBe(failsLog ? 1 : 0);
  });

  test.each([
    ["as it should be", "Hello", false],
    ["with a piece too large for a chunk", "x".repeat(3_000_000), false],
    ["while the log fails", "Hello", true],
  ])("a stream of resumable-stream %s", async (_, text, failsLog) => {
    const kept: Promise<unknown>[] = [];
    const given = {
      createResumableStreamContext: (options: CreateResumableStreamContextOptions) =>
        createResumableStreamContext({
          ...options,
          producer: manager,
          edgeUrl: "http://127.0.0.1:1",
          onError: (error) => reported.push(error),
        }),
      after: (promise: Promise<unknown>) => kept.push(promise),
      chatId: "chat",
      prompt: "Hello?",
      skipCharacters: 0,
      answer: () =>
        ReadableStream.from(
          (async function* () {
            await new Promise(setImmediate);
            if (failsLog) breakLog();
            yield text;
          })(),
        ),
    };
    const { stream } = await runBlock(
      block("libs/drop-ins/README.md", "createResumableStreamContext"),
      given,
      ["stream"],
    );
    await Promise.all(kept);
    await (stream as ReadableStream<string>).cancel();
    expect(reported.length).toBe(failsLog ? 1 : 0);
    expect(written().includes("Complete")).toBe(!failsLog);
  });

  test.each([
    ["as it should be", false],
    ["while the log fails", true],
  ])("an answer of OpenAI's library %s", async (_, failsLog) => {
    const { handle } = await manager.createStream();
    const choice = { index: 0, delta: { content: "Hello" }, finish_reason: "stop" };
    const create = async function* (): AsyncGenerator<object> {
      yield { id: "c", model: "m", choices: [choice] };
    };
    const given = {
      fromOpenAiChat,
      openai: { chat: { completions: { create } } },
      model: "m",
      messages: [],
      handle,
    };
    if (failsLog) breakLog();
    const ran = runBlock(block("libs/adapters/README.md", "fromOpenAiChat"), given);
    // It is awaited, so whoever runs it is told.
    const code = await ran.then(
      () => null,
      (error: unknown) => (error as StreamError).code,
    );
    expect(code).toBe(failsLog ? "LOG_UNAVAILABLE" : null);
    expect(written().includes("Complete")).toBe(!failsLog);
  });

  test("a stream by hand", async () => {
    await runBlock(block("libs/producer/README.md", "await using manager"), {
      connectProducer: async () => manager,
    });
    expect(written()).toMatch(/Hello.*Complete/);
  });
});

describe("the recipes of readers", () => {
  let edge: HostileEdge;
  beforeEach(async () => {
    edge = await startHostileEdge([
      chunkFrame(1, { type: "Text", content: "Hel" }),
      chunkFrame(2, { type: "Progress", current: 1, total: 2, message: "" }),
      chunkFrame(3, { type: "Text", content: "lo" }),
      chunkFrame(4, { type: "Complete", summary: null }),
    ]);
    edge.treatments = [{ status: 503 }, { cutAfterBytes: 200 }];
  });
  afterEach(() => edge[Symbol.asyncDispose]());

  const clientOfEdge = (options: Partial<ClientOptions> = {}) =>
    createClient({ ...options, edgeUrl: edge.url });

  test("show a text in five lines", async () => {
    const output = { textContent: "" };
    await runBlock(block("libs/client/README.md", "output.textContent"), {
      createClient: clientOfEdge,
      output,
    });
    expect(output.textContent).toBe("Hello");
  });

  test("take chunk after chunk, from where they want to", async () => {
    const show = vi.fn();
    await runBlock(block("libs/client/README.md", "for await"), { client: clientOfEdge(), show });
    expect(show.mock.calls).toEqual([[1, 2]]);
    const client = clientOfEdge();
    const stream = vi.spyOn(client, "stream");
    await runBlock(block("libs/client/README.md", "from: 100"), {
      client,
      signal: new AbortController().signal,
    });
    stream.mock.results.map(({ value }) => (value as { close(): void }).close());
    expect(stream).toHaveBeenCalledOnce();
  });

  test("give their client what it needs", async () => {
    const given = { createClient: clientOfEdge, token: async () => "secret" };
    const { client } = await runBlock(block("libs/client/README.md", "persist: true,"), given, ["client"]);
    expect(await (client as ReturnType<typeof clientOfEdge>).stream("s").text()).toBe("Hello");
    expect(edge.headers[0]?.authorization).toBe("Bearer secret");
  });

  test("need no library", async () => {
    edge.treatments = [];
    let text = "";
    const given = {
      EventSource: class extends EventSource {
        constructor(url: string) {
          super(edge.url + new URL(url).pathname);
        }
      },
      output: { append: (more: string) => (text += more) },
    };
    const { source } = await runBlock(block("libs/client/README.md", "new EventSource"), given, ["source"]);
    await expect.poll(() => (source as EventSource).readyState).toBe(EventSource.CLOSED);
    expect(text).toBe("Hello");
  });
});

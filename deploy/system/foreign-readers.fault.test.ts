import { spawn, type ChildProcess } from "node:child_process";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { connectProducer, type StreamManager } from "@sluice/producer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildGo, INSTALL_TIMEOUT_MS, noGo, noPython, pythonWith } from "./other-languages.ts";
import { startStack, type Stack } from "./stack.ts";

const PYTHON_PACKAGES = [
  "httpx==0.28.1",
  "httpx-sse==0.4.3",
  "requests==2.34.2",
  "sseclient-py==1.9.0",
  "aiohttp==3.14.5",
  "aiohttp-sse-client==0.2.1",
];
const folder = fileURLToPath(new URL("foreign-readers", import.meta.url));
const WAIT = { timeout: 30_000, interval: 50 };

/** What a reader does once all has been read: asks no more, once more (and is told 204), or again and again. */
type AtTheEnd = "is over" | "asks once" | "asks again";

const READERS: readonly (readonly [name: string, in_: "Node" | "Python" | "Go", atTheEnd: AtTheEnd])[] = [
  ["Node's EventSource", "Node", "asks once"],
  ["eventsource", "Node", "asks once"],
  ["eventsource-client", "Node", "asks once"],
  ["launchdarkly-eventsource", "Node", "asks once"],
  ["event-source-polyfill", "Node", "asks again"],
  ["reconnecting-eventsource", "Node", "asks again"],
  ["@microsoft/fetch-event-source", "Node", "is over"],
  ["fetch", "Node", "is over"],
  ["httpx-sse", "Python", "is over"],
  ["sseclient-py", "Python", "is over"],
  ["aiohttp-sse-client", "Python", "is over"],
  ["r3labs/sse", "Go", "is over"],
];
const readers = READERS.filter(
  ([, language]) => !(language === "Python" ? noPython : language === "Go" && noGo),
);

let stack: Stack;
let producer: StreamManager;
const running = new Map<string, Reader>();

/** A reader's process, behind a connection that shows its requests and changes nothing. */
class Reader {
  readonly name: string;
  /** The words, and `Complete`. */
  readonly words: string[] = [];
  requestsAfterEnd = 0;
  readonly #process: ChildProcess;
  readonly #tap: Server;

  private constructor(name: string, process: ChildProcess, tap: Server) {
    this.name = name;
    this.#process = process;
    this.#tap = tap;
    let rest = "";
    process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.words.push(...lines.map((line) => JSON.parse(line) as string));
    });
  }

  static async start(name: string, command: readonly string[]): Promise<Reader> {
    const started: { reader?: Reader } = {};
    const tap = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({
        port: Number(new URL(stack.edgeUrl).port),
        host: "127.0.0.1",
        allowHalfOpen: true,
      });
      near.on("data", (bytes) => {
        if (/^GET /m.test(bytes.toString("latin1")) && started.reader?.words.at(-1) === "Complete")
          started.reader.requestsAfterEnd++;
      });
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.pipe(to);
        // An RST stays an RST.
        from.on("error", () => to.resetAndDestroy());
        from.on("close", () => to.destroySoon());
      }
    });
    await new Promise<void>((resolve) => tap.listen(0, "127.0.0.1", resolve));
    const { port } = tap.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/streams/foreign/events`;
    const [program = "", ...args] = command;
    started.reader = new Reader(
      name,
      spawn(program, [...args, url], { stdio: ["ignore", "pipe", "ignore"] }),
      tap,
    );
    return started.reader;
  }

  stop(): void {
    this.#process.kill("SIGKILL");
    this.#tap.close();
  }
}

async function commandOf(name: string, language: string): Promise<string[]> {
  if (language === "Python") return [await pythonWith(PYTHON_PACKAGES), `${folder}/reader.py`, name];
  if (language === "Go") return [await buildGo(`${folder}/go`, "main.go")];
  return [process.execPath, "--experimental-eventsource", "--no-warnings", `${folder}/reader.mjs`, name];
}

beforeAll(async () => {
  const env = { edge: { RETRY_MS: "100", DRAIN_NOTICE_MS: "0", DRAIN_TIMEOUT_MS: "500" } };
  stack = await startStack({ ingest: 1, edges: 2, env });
  producer = await connectProducer({ servers: stack.natsUrl });
}, INSTALL_TIMEOUT_MS);

afterAll(async () => {
  for (const reader of running.values()) reader.stop();
  await producer.close();
  await stack.stop();
});

/** Until all of them have read so far: whoever takes a broken-off response for the end never does. */
async function allHaveRead(words: readonly string[]): Promise<void> {
  const behind = (): string[] =>
    [...running.values()].filter((reader) => reader.words.length < words.length).map(({ name }) => name);
  await expect.poll(behind, WAIT).toEqual([]);
}

describe("readers that others wrote", () => {
  it(
    "have everything once, in order, through a killed edge, a drained one, and the end",
    { timeout: INSTALL_TIMEOUT_MS },
    async () => {
      const { handle } = await producer.createStream({ streamId: "foreign" });
      for (const [name, language] of readers)
        running.set(name, await Reader.start(name, await commandOf(name, language)));
      const words: string[] = [];
      const say = async (...more: string[]): Promise<void> => {
        for (const word of more) await handle.sendText(word);
        words.push(...more);
        await allHaveRead(words);
      };
      await say("one ", "two ", "ünïcödé 🔎 ");
      await stack.service("edge-1").kill();
      await say("four ");
      await stack.service("edge-1").restart();
      // All are on the other one by now.
      await stack.service("edge-2").restart();
      await say("five ");
      await stack.service("edge-1").restart();
      await say("six ");
      await handle.sendComplete();
      await allHaveRead([...words, "Complete"]);
      for (const { name, words: read } of running.values())
        expect([name, ...read]).toEqual([name, ...words, "Complete"]);
    },
  );

  it("do after the end as the table in client/README.md says", async () => {
    const asksAgain = readers.filter(([, , atTheEnd]) => atTheEnd === "asks again");
    const toAsk = readers.filter(([, , atTheEnd]) => atTheEnd === "asks once");
    const hasAsked = (names: typeof readers, times: number): boolean =>
      names.every(([name]) => running.get(name)!.requestsAfterEnd >= times);
    await expect.poll(() => hasAsked(toAsk, 1) && hasAsked(asksAgain, 2), WAIT).toBe(true);
    const asked = readers.map(([name]) => [name, timesOf(running.get(name)!.requestsAfterEnd)]);
    expect(asked).toEqual(readers.map(([name, , atTheEnd]) => [name, atTheEnd]));
    const page = readFileSync(new URL("../../libs/client/README.md", import.meta.url), "utf8");
    const readme = page.replaceAll("`", "");
    for (const [name, , atTheEnd] of READERS)
      expect(readme).toMatch(new RegExp(`\\| .*${name}.* \\|.* ${atTheEnd}.*\\|`));
  });
});

function timesOf(requests: number): AtTheEnd {
  if (requests === 0) return "is over";
  return requests === 1 ? "asks once" : "asks again";
}

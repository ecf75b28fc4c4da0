import { freePort, httpAnswersOk, ProcessServer, waitUntil } from "@sluice/servers";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EdgeUnderTest, NameServer } from "./edges-under-test.ts";

const CONFIG = readFileSync(new URL("haproxy.cfg", import.meta.url), "utf8");
const hasHaproxy = spawnSync("haproxy", ["-v"]).status === 0;

// Other addresses of the loopback network than 127.0.0.1 exist on Linux without being set up.
const canRun = hasHaproxy && process.platform === "linux";
const FIRST = "127.0.0.2";
const SECOND = "127.0.0.3";
const THIRD = "127.0.0.4";
const TIMEOUT_MS = 15_000;

/** One reader's connection through the balancer. */
class Reader {
  readonly #body: ReadableStreamDefaultReader<string>;
  readonly #abort: AbortController;
  /** Which edge it got. */
  readonly edge: string;

  private constructor(body: ReadableStreamDefaultReader<string>, abort: AbortController, edge: string) {
    this.#body = body;
    this.#abort = abort;
    this.edge = edge;
  }

  /** @throws Error when no edge takes it */
  static async open(url: string): Promise<Reader> {
    const abort = new AbortController();
    const response = await fetch(url, {
      headers: { Accept: "text/event-stream", "X-Forwarded-For": "203.0.113.9" },
      signal: AbortSignal.any([abort.signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    if (!response.ok || response.body === null) throw new Error(`refused with ${response.status}`);
    const body = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const first = await body.read();
    return new Reader(body, abort, (first.value ?? "").slice("data: ".length).trim());
  }

  async next(): Promise<string | undefined> {
    return (await this.#body.read()).value;
  }

  close(): void {
    this.#abort.abort();
  }
}

describe.skipIf(!canRun)("the balancer of docker-compose", () => {
  let stack: AsyncDisposableStack;
  let names: NameServer;
  let edges: Map<string, EdgeUnderTest>;
  let url: string;
  let readers: Reader[];
  let startEdge: (address: string) => Promise<EdgeUnderTest>;

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    edges = new Map();
    readers = [];
    names = stack.use(await NameServer.start());
    const [port, edgePort, adminPort] = [await freePort(), await freePort(), await freePort()];
    startEdge = async (address) => {
      const edge = stack.use(await EdgeUnderTest.start(address, edgePort, adminPort));
      edges.set(address, edge);
      names.addresses = [...edges.keys()];
      return edge;
    };
    await startEdge(FIRST);
    await startEdge(SECOND);
    url = `http://127.0.0.1:${port}/stream`;
    const config = [
      ["bind *:8080", `bind 127.0.0.1:${port}`],
      ["nameserver dns 127.0.0.11:53", `nameserver dns 127.0.0.1:${names.port}`],
      ["edge:8080", `edge:${edgePort}`],
      ["default-server port 9090", `default-server port ${adminPort}`],
    ].reduce((text, [from, to]) => replaceOnce(text, from ?? "", to ?? ""), CONFIG);
    stack.use(
      await ProcessServer.start({
        name: "haproxy",
        command: "haproxy",
        args: (directory) => {
          writeFileSync(join(directory, "haproxy.cfg"), config);
          return ["-db", "-f", join(directory, "haproxy.cfg")];
        },
        url,
        port,
        isReady: () => httpAnswersOk(url),
      }),
    );
    await waitUntil("both edges in rotation", async () => new Set(await edgesOf(4)).size === 2, {
      timeoutMs: TIMEOUT_MS,
    });
  });

  afterEach(async () => {
    for (const reader of readers) reader.close();
    await stack.disposeAsync();
  });

  async function open(): Promise<Reader> {
    const reader = await Reader.open(url);
    readers.push(reader);
    return reader;
  }

  /** Opens this many readers, one after another, and lets them go again. */
  async function edgesOf(count: number): Promise<string[]> {
    const opened: Reader[] = [];
    try {
      for (let number = 0; number < count; number++) opened.push(await Reader.open(url));
      return opened.map((reader) => reader.edge);
    } finally {
      for (const reader of opened) reader.close();
    }
  }

  test("hands on each event at once, before the next one is sent", async () => {
    const reader = await open();
    const edge = edges.get(reader.edge);
    const startedMs = performance.now();
    for (let number = 1; number <= 50; number++) {
      edge?.send(String(number));
      expect(await reader.next()).toBe(`data: ${number}\n\n`);
    }
    // Held back for company, each takes 200 ms: 10 s together.
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });

  test("spreads readers evenly and tells edges where they come from, whatever they claim", async () => {
    for (let number = 0; number < 10; number++) await open();
    expect([...edges.values()].map((edge) => edge.forwardedFor)).toEqual(["127.0.0.1", "127.0.0.1"]);
    const counts = [FIRST, SECOND].map((address) => readers.filter(({ edge }) => edge === address).length);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(4);
  });

  test("gives no reader to an edge that isn't ready, and leaves it those it has", async () => {
    const reader = await open();
    const draining = edges.get(reader.edge);
    const other = reader.edge === FIRST ? SECOND : FIRST;
    if (draining === undefined) throw new Error("the reader got no edge");

    draining.isReady = false;
    const onlyOther = async (): Promise<boolean> => (await edgesOf(4)).every((edge) => edge === other);
    await waitUntil("the draining edge out of rotation", onlyOther, { timeoutMs: TIMEOUT_MS });
    draining.send("still here");
    expect(await reader.next()).toBe("data: still here\n\n");

    draining.isReady = true;
    const both = async (): Promise<boolean> => new Set(await edgesOf(4)).size === 2;
    await waitUntil("the edge back in rotation", both, { timeoutMs: TIMEOUT_MS });
  });

  test("sends who reconnects to the edge that is left when one is killed", async () => {
    await edges.get(FIRST)?.[Symbol.asyncDispose]();
    // From the first moment on, before any check has failed.
    expect(await edgesOf(6)).toEqual(Array.from({ length: 6 }, () => SECOND));
  });

  test("finds an edge that is added while it runs", async () => {
    expect(await edgesOf(6)).not.toContain(THIRD);
    await startEdge(THIRD);
    const found = async (): Promise<boolean> => (await edgesOf(6)).includes(THIRD);
    await waitUntil("the third edge in rotation", found, { timeoutMs: TIMEOUT_MS });
  });
});

function replaceOnce(text: string, from: string, to: string): string {
  if (text.split(from).length !== 2) throw new Error(`haproxy.cfg has no single "${from}" to replace`);
  return text.replace(from, to);
}

import {
  chunkFrame,
  startHostileSharedEdge,
  type HostileFrame,
  type HostileSharedEdge,
} from "@sluice/testing";
import type { MessagePort } from "node:worker_threads";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createClient, type Client, type ClientOptions, type Stream, type StreamOptions } from "./index.ts";
import type { TabPort } from "./tabs-messages.ts";
import { TabsServer } from "./tabs-server.ts";
import { shareTabs } from "./tabs.ts";

let edge: HostileSharedEdge;
/** One worker's, for all tabs of a test. */
let server: TabsServer;
let ports: MessagePort[];

beforeEach(async () => {
  edge = await startHostileSharedEdge();
  server = new TabsServer();
  ports = [];
  vi.spyOn(Math, "random").mockReturnValue(1);
});

afterEach(async () => {
  for (const port of ports) port.close();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  await edge[Symbol.asyncDispose]();
});

const eventually = (isTrue: () => boolean): Promise<boolean> =>
  vi.waitUntil(isTrue, { timeout: 20_000, interval: 5 });

/** What `new SharedWorker` gives a tab. */
function connectWorker(to: TabsServer = server) {
  const { port1, port2 } = new MessageChannel();
  ports.push(port1, port2);
  to.add(port2 as unknown as TabPort);
  return { port: port1 as unknown as TabPort, addEventListener: () => {} };
}

/** Opens a tab: a page of its own with a client of its own. */
const openTab = (options: Partial<ClientOptions> = {}): Client =>
  createClient({ edgeUrl: edge.url, share: shareTabs(() => connectWorker()), ...options });

const frameOf = (stream_id: string, sequence: number, content: string): HostileFrame =>
  chunkFrame(sequence, { type: "Text", content }, { stream_id });

/** A stream of single letters that ends with Complete. */
function textStream(id: string, text: string): [string, HostileFrame[]] {
  const frames = Array.from(text, (letter, index) => frameOf(id, index + 1, letter));
  return [
    id,
    [...frames, chunkFrame(text.length + 1, { type: "Complete", summary: null }, { stream_id: id })],
  ];
}

function read(client: Client, id: string, options: StreamOptions = {}) {
  const stream = client.stream(id, options);
  const sequences: number[] = [];
  stream.on("chunk", ({ sequence }) => sequences.push(sequence));
  return { stream, sequences };
}

const hasEnded = (stream: Stream): Promise<boolean> => eventually(() => stream.state === "ended");

describe("tabs that share their streams", () => {
  test("have one connection, however many they are, and each gets the whole of each stream", async () => {
    edge.holdEnds();
    edge.streams = new Map([textStream("a", "Hello, world"), textStream("b", "Other")]);
    const tabs = Array.from({ length: 8 }, () => openTab());
    const texts = tabs.map((tab, index) => tab.stream(index % 2 === 0 ? "a" : "b"));
    const whole = texts.map((stream) => stream.text());
    await eventually(() => texts.every((stream) => stream.textSoFar.length >= 5));
    expect(edge.open).toBe(1);
    expect(new Set(texts.map(({ connectionId }) => connectionId))).toEqual(new Set(["connection-1"]));
    edge.letEnd();
    expect(await Promise.all(whole)).toEqual(texts.map(({ id }) => (id === "a" ? "Hello, world" : "Other")));
  });

  test("that come later begin with what was read, without asking the edge again", async () => {
    edge.holdEnds();
    edge.streams = new Map([textStream("a", "Hello")]);
    const first = read(openTab(), "a");
    await eventually(() => first.sequences.length === 5);
    const asked = edge.changed;
    const late = read(openTab(), "a");
    const later = read(openTab(), "a", { from: 3 });
    await eventually(() => late.sequences.length === 5 && later.sequences.length === 3);
    expect([edge.open, edge.changed]).toEqual([1, asked]);
    edge.letEnd();
    await Promise.all([first, late, later].map(({ stream }) => hasEnded(stream)));
    expect([first, late, later].map(({ sequences }) => sequences)).toEqual([
      [1, 2, 3, 4, 5, 6],
      [1, 2, 3, 4, 5, 6],
      [3, 4, 5, 6],
    ]);
  });

  test("at positions that were never read get them from the edge, and then go on together", async () => {
    edge.holdEnds();
    edge.streams = new Map([textStream("a", "Hello, world")]);
    const late = read(openTab(), "a", { from: 8 });
    await eventually(() => late.sequences.length === 5);
    const whole = read(openTab(), "a");
    await eventually(() => whole.sequences.length === 12);
    expect(edge.open).toBeLessThanOrEqual(2);
    edge.letEnd();
    await Promise.all([hasEnded(late.stream), hasEnded(whole.stream)]);
    expect(late.sequences).toEqual([8, 9, 10, 11, 12, 13]);
    expect(whole.sequences).toEqual(Array.from({ length: 13 }, (_, index) => index + 1));
  });

  test("that are closed take nothing from others, and the last one ends the connection", async () => {
    edge.holdEnds();
    edge.streams = new Map([textStream("a", "Hello")]);
    const [left, kept] = [read(openTab(), "a"), read(openTab(), "a")];
    await eventually(() => left.sequences.length === 5 && kept.sequences.length === 5);
    left.stream.close();
    edge.streams = new Map([textStream("a", "Hello, you")]);
    edge.letEnd();
    await hasEnded(kept.stream);
    expect([left.stream.state, left.sequences.length, kept.sequences.length]).toEqual(["closed", 5, 11]);
    await eventually(() => edge.open === 0);
  });

  test("are told why a stream can't be read, and ask again when it is used again", async () => {
    edge.treatments = [{ status: 403 }, { status: 403 }];
    const failed = openTab().stream("a");
    await expect(failed.text()).rejects.toMatchObject({ code: "HTTP_403", status: 403, isRetryable: false });
    edge.streams = new Map([textStream("a", "there")]);
    expect(await openTab().stream("a").text()).toBe("there");
  });

  test("see the states of the connection that they share", async () => {
    edge.streams = new Map([textStream("a", "Hello, world")]);
    edge.treatments = [{ status: 503 }];
    const { stream } = read(openTab(), "a");
    const states: string[] = [];
    const errors: unknown[] = [];
    stream.on("state", (state) => {
      states.push(state);
      if (state === "waiting") errors.push(stream.error);
    });
    await hasEnded(stream);
    expect(states).toEqual(["connecting", "waiting", "connecting", "open", "ended"]);
    expect(errors).toMatchObject([{ name: "SluiceError", status: 503 }]);
  });

  test("give headers for each request, from whichever tab is there, and again after a 401", async () => {
    edge.streams = new Map([textStream("a", "Hello")]);
    const asked: boolean[] = [];
    const seen: (string | null)[] = [];
    const fetch = globalThis.fetch;
    vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
      seen.push(new Headers(init.headers).get("authorization"));
      return seen.length === 1 ? new Response(null, { status: 401 }) : fetch(url, init);
    });
    const headers = async (wasRefused: boolean) => {
      asked.push(wasRefused);
      return { Authorization: `Bearer ${asked.length}` };
    };
    expect(await openTab({ headers }).stream("a").text()).toBe("Hello");
    expect([asked, seen]).toEqual([
      [false, true],
      ["Bearer 1", "Bearer 2"],
    ]);
  });

  test("wait and try again where their headers can't be had for now", async () => {
    edge.streams = new Map([textStream("a", "Hello")]);
    const headers = vi.fn<() => Promise<Record<string, string>>>().mockResolvedValue({});
    headers.mockRejectedValueOnce(new Error("no token"));
    expect(await openTab({ headers }).stream("a").text()).toBe("Hello");
    expect(headers).toHaveBeenCalledTimes(2);
  });

  test("of which one is slow: it holds back nobody, and misses nothing", async () => {
    const frames = Array.from({ length: 2_500 }, (_, index) => frameOf("a", index + 1, "x".repeat(1_000)));
    frames.push(chunkFrame(2_501, { type: "Complete", summary: null }, { stream_id: "a" }));
    edge.streams = new Map([["a", frames]]);
    edge.holdEnds();
    const slow = openTab().stream("a");
    const chunks = slow[Symbol.asyncIterator]();
    await chunks.next();
    const quick = read(openTab(), "a");
    await eventually(() => quick.sequences.length === 2_500);
    // 1,000 chunks wait for the loop, and what the worker may send ahead of it.
    expect(slow.cursor).toBeLessThan(1_600);
    edge.letEnd();
    let count = 1;
    for await (const _ of { [Symbol.asyncIterator]: () => chunks }) count++;
    expect([count, slow.state]).toEqual([2_501, "ended"]);
  });

  test("read a stream that is longer than what is kept of it, each to its end", async () => {
    const letters = "x".repeat(100_000);
    const frames = Array.from({ length: 60 }, (_, index) => frameOf("a", index + 1, letters));
    frames.push(chunkFrame(61, { type: "Complete", summary: null }, { stream_id: "a" }));
    edge.streams = new Map([["a", frames]]);
    edge.holdEnds();
    const first = read(openTab(), "a");
    await eventually(() => first.sequences.length === 60);
    const late = read(openTab(), "a");
    await eventually(() => late.sequences.length === 60);
    edge.letEnd();
    await Promise.all([hasEnded(first.stream), hasEnded(late.stream)]);
    expect(late.sequences).toEqual(first.sequences);
    await eventually(() => edge.open === 0);
  });
});

describe("a tab", () => {
  test("whose worker can't be created reads by itself", async () => {
    edge.streams = new Map([textStream("a", "Hello")]);
    // There is no SharedWorker in Node.
    expect(await openTab({ share: shareTabs() }).stream("a").text()).toBe("Hello");
  });

  test("whose worker's script can't be loaded reads by itself", async () => {
    edge.streams = new Map([textStream("a", "Hello")]);
    let fail = (): void => {};
    const worker = {
      ...connectWorker({ add: () => {} } as unknown as TabsServer),
      addEventListener: (_type: string, listener: () => void) => (fail = listener),
    };
    const text = openTab({ share: shareTabs(() => worker) })
      .stream("a")
      .text();
    await Promise.resolve();
    fail();
    expect(await text).toBe("Hello");
  });

  test("that the browser sets aside holds no stream, and goes on where it was when it is shown again", async () => {
    const page = new EventTarget();
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    edge.streams = new Map([textStream("a", "Hello")]);
    edge.holdEnds();
    const { stream, sequences } = read(openTab(), "a");
    await eventually(() => sequences.length === 5);
    page.dispatchEvent(new Event("pagehide"));
    page.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
    edge.letEnd();
    await hasEnded(stream);
    expect(sequences).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("with a tail has a connection of its own", async () => {
    edge.streams = new Map([textStream("a", "Hello")]);
    edge.holdEnds();
    const { stream } = read(openTab(), "a", { tail: 0 });
    await eventually(() => stream.state === "open");
    expect(ports).toHaveLength(2);
    stream.close();
    await eventually(() => edge.open === 0);
  });
});

test("whatever stands between the worker and the edge, each tab gets each sequence once, in order, or a gap", async () => {
  const treatment = fc.record(
    {
      cutAfterBytes: fc.integer({ min: 1, max: 3_000 }),
      doubled: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 3 }),
      skipped: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 2 }),
      pieceBytes: fc.integer({ min: 1, max: 400 }),
    },
    { requiredKeys: [] },
  );
  const positions = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(fc.array(treatment, { maxLength: 5 }), positions, async (treatments, froms) => {
      server = new TabsServer();
      edge.streams = new Map([textStream("a", "Hello, world")]);
      edge.treatments = treatments;
      const read = froms.map((from) => {
        const stream = openTab().stream("a", { from });
        const covered: number[] = [];
        stream.on("chunk", ({ sequence }) => covered.push(sequence));
        stream.on("gap", (gap) => {
          if (gap.reset === true) return;
          for (let sequence = gap.from; sequence <= gap.to; sequence++) covered.push(sequence);
        });
        return { stream, from, covered };
      });
      await eventually(() => read.every(({ stream }) => stream.state === "ended"));
      for (const { from, covered } of read)
        expect(covered).toEqual(Array.from({ length: 14 - from }, (_, index) => from + index));
    }),
    { numRuns: 60 },
  );
});

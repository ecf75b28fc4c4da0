import { request as httpRequest, type IncomingMessage } from "node:http";
import { memoryEdgePorts, memoryWorld, type MemoryWorld } from "@sluice/testing";
import { expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { sequencesTo, startBench } from "./edge-bench.ts";
import type { TestReader } from "./sse-reader.ts";

function start(settings: Partial<EdgeSettings> = {}, world?: MemoryWorld) {
  return startBench(memoryEdgePorts(world), settings);
}

type Bench = Awaited<ReturnType<typeof start>>;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Connections and their readers. A connection is closed a moment after its reader has left. */
function countOpen({ edge }: Bench): number {
  const { connections, subscribers } = edge.counts();
  return connections + subscribers;
}

const SOON = { timeout: 10_000, interval: 5 };

test("a reader that goes during the barrier, the page or a rebuild leaves nothing behind", async () => {
  await using bench = await start({ barrierTimeoutMs: 50, rebuildTimeoutMs: 50 });
  await bench.ingest.create("s");
  await bench.ingest.publish("s", ["a", "b", "c", "d", "e"]);
  bench.ingest.close();
  const readPage = bench.cache.readPage.bind(bench.cache);
  bench.cache.readPage = async (...args) => {
    await nextTurn();
    return readPage(...args);
  };
  const goings = sequencesTo(300).map(async (number) => {
    const path = number % 2 === 0 ? "/streams/s/events" : `/streams/none${number}/events`;
    await goAfter(bench.url + path, Math.random() * 120);
  });
  await Promise.all(goings);
  await expect.poll(() => countOpen(bench), SOON).toBe(0);
});

/** Cuts the request after a time, wherever the edge is with it. */
function goAfter(url: string, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const request = httpRequest(url, { agent: false });
    request.on("response", (response: IncomingMessage) => response.on("error", () => {}).resume());
    request.on("error", () => {});
    request.on("close", () => resolve());
    request.end();
    setTimeout(() => request.destroy(), ms);
  });
}

/** What is there before anybody comes, in pages of this size: a replay of 100 pages. */
const HISTORY = 400;
const PAGE = 4;
const CLOSED_BY_READERS = 600;
const CLOSED_BY_EDGES = 400;
const READERS_PER_EDGE = 50;
const BYSTANDERS = 10;

async function openReaders(bench: Bench, count: number): Promise<TestReader[]> {
  return Promise.all(sequencesTo(count).map(() => bench.open("/streams/s/events")));
}

/** Each is closed somewhere in the middle of its replay. */
async function closeEach(readers: readonly TestReader[]): Promise<void> {
  const closing = readers.map(async (reader) => {
    await reader.untilSequence(1 + Math.floor((Math.random() * HISTORY) / 2));
    reader.close();
  });
  await Promise.all(closing);
}

/** All are closed while the first of them is in the middle of its replay. */
async function closeAllOf(bench: Bench, readers: readonly TestReader[], how: "drain" | "cut"): Promise<void> {
  await readers[0]?.untilSequence(1 + Math.floor((Math.random() * HISTORY) / 2));
  if (how === "drain") await bench.edge.drain();
  else {
    bench.cutAll();
    bench.edge.close();
  }
  await Promise.all(readers.map((reader) => reader.untilEnd()));
}

test("a thousand connections closed in the middle of their replay, at full publishing, by reader, drain or cut, leave nothing behind and cost nobody else a chunk", async () => {
  const world = memoryWorld();
  const settings = { pageChunks: PAGE, maxHeldChunks: 64, drainTimeoutMs: 50 };
  await using bench = await start(settings, world);
  const { ingest } = bench;
  await ingest.create("s");
  await ingest.publish("s", sequencesTo(HISTORY).map(String));
  const readPage = world.cache.readPage.bind(world.cache);
  world.cache.readPage = async (...args) => {
    await nextTurn();
    return readPage(...args);
  };
  const bystanders = await openReaders(bench, BYSTANDERS);
  const closing = new AbortController();
  let head = HISTORY;
  const publishing = (async () => {
    for (; !closing.signal.aborted; head++) {
      await ingest.publish("s", ["x"]);
      await nextTurn();
    }
  })();

  const closed: TestReader[] = [];
  while (closed.length < CLOSED_BY_READERS) {
    const readers = await openReaders(bench, READERS_PER_EDGE);
    await closeEach(readers);
    closed.push(...readers);
  }
  for (let at = 0; at < CLOSED_BY_EDGES / READERS_PER_EDGE; at++) {
    await using another = await start(settings, world);
    const readers = await openReaders(another, READERS_PER_EDGE);
    await closeAllOf(another, readers, at % 2 === 0 ? "drain" : "cut");
    closed.push(...readers);
    await expect.poll(() => countOpen(another), SOON).toBe(0);
  }
  // While the stream goes on: its end would take whoever was left behind off it.
  await expect.poll(() => countOpen(bench), SOON).toBe(2 * BYSTANDERS);
  closing.abort();
  await publishing;
  await ingest.publish("s", [], "completed");

  expect(closed).toHaveLength(CLOSED_BY_READERS + CLOSED_BY_EDGES);
  // Nobody had come to the live end: whatever was closed was replaying.
  for (const { sequences } of closed) {
    expect(sequences.length).toBeLessThan(HISTORY);
    expect(sequences).toEqual(sequencesTo(sequences.length));
  }
  for (const reader of bystanders) {
    await reader.untilEnd(30_000);
    expect(reader.sequences).toEqual(sequencesTo(head + 1));
  }
}, 60_000);

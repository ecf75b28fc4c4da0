import type { PageBounds, StreamPage } from "@sluice/core";
import { createRegistry } from "@sluice/runtime";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createEdgeMetrics } from "../metrics.ts";
import { PageReads, type ReadingClient } from "./page-reads.ts";

/** A cache whose answers the test gives. */
class HeldCache {
  readonly asked: {
    what: string;
    maxChunks: number;
    answer: (bytes: number) => void;
    fail: (error: Error) => void;
  }[] = [];

  readPage(streamId: string, after: number, { maxChunks }: PageBounds): Promise<StreamPage> {
    const { promise, resolve, reject } = Promise.withResolvers<StreamPage>();
    const answer = (bytes: number): void => {
      const chunks = [{ sequence: after + 1, json: Buffer.alloc(bytes) }];
      resolve({ head: 100, status: "open", hasEnded: false, chunks, options: null });
    };
    this.asked.push({ what: `${streamId} ${after}`, maxChunks, answer, fail: reject });
    return promise;
  }

  get names(): string[] {
    return this.asked.map(({ what }) => what);
  }
}

const BOUNDS = { maxChunks: 10, maxBytes: 100 };

let cache: HeldCache;
let reads: PageReads;
let registry: ReturnType<typeof createRegistry>;

beforeEach(() => {
  cache = new HeldCache();
  registry = createRegistry("edge");
  const metrics = createEdgeMetrics(registry);
  reads = new PageReads({
    cache,
    budget: { total: 400, perAddress: 200, perStream: 200 },
    maxWaiting: 20,
    timeoutMs: 500,
    metrics,
  });
});

afterEach(() => reads.close());

const client = (address: string, signal = new AbortController().signal): ReadingClient => ({
  address,
  signal,
});

/** Until what was asked for so far has been sent as far as it may be. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

async function metricOf(name: string): Promise<number> {
  return (await registry.getSingleMetric(`sluice_edge_${name}`)?.get())?.values[0]?.value ?? Number.NaN;
}

test("reads of an address and of a stream wait for room in its budget, and others' go past them", async () => {
  const all = Promise.all([
    ...[0, 1, 2, 3].map((after) => reads.read("a", after, BOUNDS, client("greedy"))),
    reads.read("a", 9, BOUNDS, client("honest")),
    reads.read("b", 0, BOUNDS, client("honest")),
  ]);
  await settled();
  expect(cache.names).toEqual(["a 0", "a 9", "b 0"]);
  expect(reads.counts).toEqual({ inFlight: 3, inFlightBytes: 300, waiting: 3 });
  cache.asked[0]?.answer(10);
  await settled();
  expect(cache.names.slice(3)).toEqual(["a 1"]);
  for (let index = 1; index < 6; index++) {
    cache.asked[index]?.answer(10);
    await settled();
  }
  expect((await all).map((page) => page?.chunks[0]?.sequence)).toEqual([1, 2, 3, 4, 10, 1]);
  expect(reads.counts).toEqual({ inFlight: 0, inFlightBytes: 0, waiting: 0 });
});

test("equal reads that wait are one, and one that was sent isn't shared with who comes later", async () => {
  const first = [reads.read("a", 0, BOUNDS, client("x")), reads.read("a", 0, BOUNDS, client("y"))];
  await settled();
  const later = reads.read("a", 0, BOUNDS, client("z"));
  await settled();
  expect(cache.names).toEqual(["a 0", "a 0"]);
  for (const { answer } of cache.asked) answer(10);
  const [one, other] = await Promise.all(first);
  expect(one).toBe(other);
  expect(await later).not.toBe(one);
  expect(await metricOf("reads_shared_total")).toBe(1);
});

test("a read that nobody waits for any more is never sent", async () => {
  const [gone, alsoGone] = [new AbortController(), new AbortController()];
  const standing = [0, 1].map((after) => reads.read("a", after, BOUNDS, client("x")));
  await settled();
  const dropped = [gone, alsoGone].map(({ signal }) => reads.read("a", 5, BOUNDS, client("x", signal)));
  const outcomes = Promise.allSettled(dropped);
  gone.abort();
  expect(reads.counts.waiting).toBe(1);
  alsoGone.abort();
  expect(reads.counts.waiting).toBe(0);
  for (const { answer } of cache.asked) answer(10);
  await Promise.all(standing);
  await settled();
  expect(cache.names).toEqual(["a 0", "a 1"]);
  expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await metricOf("reads_dropped_total")).toBe(1);
  await expect(reads.read("a", 5, BOUNDS, client("x", gone.signal))).rejects.toThrow("nobody waits");
});

test("of a stream whose chunks pass half of a page one is asked for at a time, and takes its size of the budget", async () => {
  const first = reads.read("large", 0, BOUNDS, client("x"));
  await settled();
  cache.asked[0]?.answer(150);
  await first;
  const more = [1, 2].map((after) => reads.read("large", after, BOUNDS, client(`${after}`)));
  await settled();
  expect(reads.counts).toEqual({ inFlight: 1, inFlightBytes: 150, waiting: 1 });
  cache.asked[1]?.answer(50);
  await settled();
  cache.asked[2]?.answer(50);
  await Promise.all(more);
  void reads.read("large", 3, BOUNDS, client("x"));
  await settled();
  expect(reads.counts.inFlightBytes).toBe(100);
  cache.asked[3]?.answer(1);
  await settled();
  expect(cache.asked.map(({ maxChunks }) => maxChunks)).toEqual([10, 1, 1, 10]);
});

test("who waits for a read that isn't answered is told in time, and the budget stays taken until it is", async () => {
  const late = Promise.allSettled([0, 1, 2].map((after) => reads.read("a", after, BOUNDS, client("x"))));
  expect((await late).map((outcome) => outcome.status === "rejected" && outcome.reason.code)).toEqual([
    "CACHE_UNAVAILABLE",
    "CACHE_UNAVAILABLE",
    "CACHE_UNAVAILABLE",
  ]);
  expect(cache.names).toEqual(["a 0", "a 1"]);
  expect(reads.counts).toEqual({ inFlight: 2, inFlightBytes: 200, waiting: 0 });
  expect(reads.stalledMs).toBeGreaterThan(500);
  for (const { answer } of cache.asked) answer(10);
  await settled();
  expect(reads.counts).toEqual({ inFlight: 0, inFlightBytes: 0, waiting: 0 });
  expect(reads.stalledMs).toBe(0);
});

test("more reads than may wait are refused, and one address takes no more than half of the places", async () => {
  const streams = Array.from({ length: 30 }, (_, index) => `s${index}`);
  const outcomes = Promise.allSettled(
    streams.map((streamId) => reads.read(streamId, 0, BOUNDS, client("greedy"))),
  );
  expect(reads.counts.waiting).toBe(10);
  const honest = reads.read("honest", 0, BOUNDS, client("honest"));
  await settled();
  expect(cache.names).toContain("honest 0");
  reads.close();
  for (const { answer } of cache.asked) answer(1);
  await Promise.allSettled([honest]);
  const refused = (await outcomes).filter(
    (outcome) => outcome.status === "rejected" && outcome.reason.code === "OVERLOADED",
  );
  expect(refused).toHaveLength(20);
});

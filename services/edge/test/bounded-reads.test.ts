import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { PageBounds, StreamPage } from "@sluice/core";
import { MemoryChunkCache } from "@sluice/memory";
import { memoryEdgePorts } from "@sluice/testing";
import { expect, test } from "vitest";
import { eventually, startBench } from "./edge-bench.ts";

const CHUNK_BYTES = 10_000;
const CHUNKS = 60;

/** A cache that counts what is taken out of it, and can keep its answers back. */
class CountedCache extends MemoryChunkCache {
  bytes = 0;
  reads = 0;
  #held: (() => void)[] | null = null;

  hold(): void {
    this.#held = [];
  }

  get heldReads(): number {
    return this.#held?.length ?? 0;
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const go of held) go();
  }

  reset(): void {
    this.bytes = 0;
    this.reads = 0;
  }

  override async readPage(streamId: string, after: number, bounds: PageBounds): Promise<StreamPage | null> {
    this.reads++;
    if (this.#held !== null) await new Promise<void>((resolve) => this.#held?.push(resolve));
    const page = await super.readPage(streamId, after, bounds);
    for (const { json } of page?.chunks ?? []) this.bytes += json.byteLength;
    return page;
  }
}

async function startWithLargeStream() {
  const ports = memoryEdgePorts();
  const cache = new CountedCache({ partitions: ports.partitions });
  const settings = { readBudgetBytesPerAddress: 2_000_000, readBudgetBytesPerStream: 2_000_000 };
  const bench = await startBench({ ...ports, cache }, settings);
  bench.ingest.answerRebuilds(async (streamId) =>
    streamId === "large"
      ? { kind: "restored", firstAvailable: 1, head: CHUNKS, status: "open" }
      : { kind: "unknown" },
  );
  await bench.ingest.create("large");
  const text = "x".repeat(CHUNK_BYTES);
  for (let count = 0; count < CHUNKS; count++) await bench.ingest.publish("large", [text]);
  cache.reset();
  return { bench, cache, [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose]() };
}

async function openSocket(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

test("what only asks how a stream stands takes no chunk out of the cache", async () => {
  await using world = await startWithLargeStream();
  const { bench, cache } = world;
  for (const path of [
    "/streams/large/events",
    "/streams/events?stream_id=large",
    "/streams/large/events?tail=9",
  ]) {
    expect((await fetch(bench.url + path, { method: "HEAD" })).status).toBe(200);
  }
  expect(
    (await fetch(`${bench.url}/streams/large/events?from=${CHUNKS + 1}`, { method: "HEAD" })).status,
  ).toBe(200);
  expect(cache.reads).toBeGreaterThan(0);
  expect(cache.bytes).toBe(0);
});

test("pages take out of the cache what they deliver, wherever they begin", async () => {
  await using world = await startWithLargeStream();
  const { bench, cache } = world;
  for (const query of [
    "after=0&limit=1000",
    "after=57",
    "tail=2",
    "tail=1000000",
    "from=30&limit=3",
    "limit=1",
  ]) {
    cache.reset();
    const response = await fetch(`${bench.url}/streams/large/chunks?${query}`);
    expect(response.status).toBe(200);
    const delivered = (await response.arrayBuffer()).byteLength;
    expect(cache.bytes).toBeLessThanOrEqual(delivered);
  }
});

test("positions beyond the head, and streams that nobody knows, cost a few reads of heads each and no chunk", async () => {
  await using world = await startWithLargeStream();
  const { bench, cache } = world;
  for (const path of [
    "large/chunks?after=1000000",
    "large/chunks?from=9007199254740991",
    "none/chunks?after=5",
  ]) {
    cache.reset();
    const response = await fetch(`${bench.url}/streams/${path}`);
    expect([200, 404]).toContain(response.status);
    expect(cache.reads).toBeLessThanOrEqual(3);
    expect(cache.bytes).toBe(0);
  }
});

test("of pages that a client asks for at once and leaves, those that weren't sent yet are never read", async () => {
  await using world = await startWithLargeStream();
  const { bench, cache } = world;
  cache.hold();
  const sockets = await Promise.all(Array.from({ length: 40 }, () => openSocket(bench.url)));
  for (const [after, socket] of sockets.entries())
    socket.write(`GET /streams/large/chunks?after=${after}&limit=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  await eventually("the budget to be full", () => cache.heldReads > 0);
  await eventually("the rest to wait", async () => (await bench.metric("sluice_edge_reads_waiting")) > 30);
  const sent = cache.reads;
  for (const socket of sockets) socket.destroy();
  await eventually(
    "the rest to be dropped",
    async () => (await bench.metric("sluice_edge_reads_waiting")) === 0,
  );
  expect(cache.heldReads).toBe(sent);
  cache.release();
  await eventually("all to be over", async () => (await bench.metric("sluice_edge_reads_in_flight")) === 0);
  expect(cache.reads).toBe(sent);
  expect(sent).toBeLessThanOrEqual(4);
});

test("a connection of many streams has one page under way at a time", async () => {
  await using world = await startWithLargeStream();
  const { bench, cache } = world;
  const ids = Array.from({ length: 20 }, (_, index) => `s${index}`);
  for (const id of ids) {
    await bench.ingest.create(id);
    await bench.ingest.publish(id, ["a"]);
  }
  cache.reset();
  let most = 0;
  const query = ids.map((id) => `stream_id=${id}`).join("&");
  const reader = await bench.open(`/streams/events?${query}&stream_id=large`);
  const look = setInterval(() => {
    void bench.metric("sluice_edge_reads_in_flight").then((count) => (most = Math.max(most, count)));
  }, 1);
  await reader.until("all chunks", () => reader.ofEvent("text").length === CHUNKS + 20, 20_000);
  clearInterval(look);
  expect(most).toBeLessThanOrEqual(1);
  expect(cache.bytes).toBeLessThanOrEqual(2 * CHUNKS * (CHUNK_BYTES + 500));
});

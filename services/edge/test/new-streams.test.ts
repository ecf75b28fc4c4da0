import { connect } from "node:net";
import { memoryEdgePorts } from "@sluice/testing";
import { expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { eventually, startBench } from "./edge-bench.ts";

/** Ingest knows of no stream; whatever is asked of it is counted. */
async function start(settings: Partial<EdgeSettings> = {}) {
  const bench = await startBench(memoryEdgePorts(), { unknownTtlMs: 600_000, ...settings });
  let asked = 0;
  bench.ingest.answerRebuilds(async () => {
    asked++;
    return { kind: "unknown" };
  });
  const statusOf = async (path: string): Promise<number> => (await fetch(bench.url + path)).status;
  return Object.assign(bench, { statusOf, asked: () => asked });
}

test("a stream that was unknown a moment ago is found as soon as it is there", async () => {
  await using bench = await start();
  expect(await bench.statusOf("/streams/s/events")).toBe(404);
  expect(await bench.statusOf("/streams/s/chunks")).toBe(404);
  await bench.ingest.create("s");
  expect(await bench.statusOf("/streams/s/chunks")).toBe(200);
  const reader = await bench.open("/streams/s/events");
  await bench.ingest.publish("s", ["a"]);
  await reader.untilSequence(1);
});

test("ingest is asked once about a stream that nobody knows, until something is heard of it", async () => {
  await using bench = await start();
  for (let round = 0; round < 5; round++) expect(await bench.statusOf("/streams/s/chunks")).toBe(404);
  expect(bench.asked()).toBe(1);
  bench.ingest.announce("s", 1);
  await eventually("ingest is asked again", async () => {
    expect(await bench.statusOf("/streams/s/chunks")).toBe(404);
    return bench.asked() === 2;
  });
});

test("who waits for a stream looks at once when something is heard of it, not after the next pause", async () => {
  await using bench = await start({ maxWaitMs: 60_000 });
  const sayings = {
    tail: async () => bench.ingest.announce("tail", 1),
    live: async () => bench.ingest.publish("live", ["a"]),
  };
  for (const [streamId, say] of Object.entries(sayings)) {
    const poll = fetch(`${bench.url}/streams/${streamId}/chunks?wait=60&limit=1`);
    await eventually("the wait", () => bench.edge.counts().streams === 1);
    // By now the pause between two looks has grown.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const looks = bench.asked();
    await bench.ingest.create(streamId);
    await say();
    if (streamId === "tail") await bench.ingest.publish(streamId, ["a"]);
    expect((await poll).status).toBe(200);
    expect(bench.asked() - looks).toBeLessThanOrEqual(1);
    await eventually("nobody", () => bench.edge.counts().streams === 0);
  }
});

test("one address has only its share of the places of those who wait, on one connection or on many", async () => {
  await using bench = await start({ maxWaiting: 100, maxWaitingPerAddress: 2, trustedProxies: 1 });
  const from = (address: string, id: string, wait = 30) =>
    fetch(`${bench.url}/streams/${id}/chunks?wait=${wait}`, {
      headers: { "x-forwarded-for": address },
      signal: abort.signal,
    });
  const abort = new AbortController();
  const held = ["2001:db8::1", "2001:db8::2"].map((address, index) =>
    from(address, `held-${index}`).catch(() => null),
  );
  await eventually("two wait", () => bench.edge.counts().streams === 2);
  await eventually("a third is refused", async () => {
    const refused = await from("2001:db8::3", "third");
    return (
      refused.status === 429 && ((await refused.json()) as { code: string }).code === "TOO_MANY_REQUESTS"
    );
  });
  expect((await from("2001:db8:1::1", "other", 0)).status).toBe(404);
  const socket = connect({ port: Number(new URL(bench.url).port), host: "127.0.0.1" });
  socket.write("GET /streams/nobody/events?wait=30 HTTP/1.1\r\nHost: edge\r\n\r\n".repeat(60));
  await eventually("one more waits", () => bench.edge.counts().streams === 3);
  expect((await from("127.0.0.1", "other", 1)).status).toBe(404);
  socket.destroy();
  abort.abort();
  await Promise.all(held);
});

test("one address has only its share of the connections", async () => {
  await using bench = await start({ maxConnectionsPerAddress: 2, trustedProxies: 1 });
  await bench.ingest.create("s");
  const open = (address: string) => bench.open("/streams/s/events", { "x-forwarded-for": address });
  const readers = [await open("192.0.2.1"), await open("192.0.2.1")];
  for (const reader of readers) await reader.until("the opening", () => reader.retries.length === 1);
  const refused = await fetch(`${bench.url}/streams/s/events`, {
    headers: { "x-forwarded-for": "192.0.2.1" },
  });
  expect(refused.status).toBe(429);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect((await open("192.0.2.2")).status).toBe(200);
  readers[0]?.close();
  await eventually("a place is free", async () => (await open("192.0.2.1")).status === 200);
});

test("404 and 410 are not kept by any cache", async () => {
  await using bench = await start();
  await bench.ingest.create("gone");
  await bench.ingest.delete("gone");
  for (const [id, status] of [
    ["none", 404],
    ["gone", 410],
  ] as const) {
    for (const path of [`/streams/${id}/events`, `/streams/${id}/chunks`, `/stream?stream_id=${id}`]) {
      const response = await fetch(bench.url + path);
      expect(response.status).toBe(status);
      expect(response.headers.get("cache-control")).toBe("no-store");
    }
  }
});

import { memoryEdgePorts, memoryWorld, startFaultProxy, type MemoryWorld } from "@sluice/testing";
import { listen } from "@sluice/runtime";
import express from "express";
import { describe, expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { listedIdOf } from "../src/connection/connection-registry.ts";
import { eventually, sequencesTo, startBench } from "./edge-bench.ts";
import { TestReader } from "./sse-reader.ts";

function start(settings: Partial<EdgeSettings> = {}, world?: MemoryWorld) {
  return startBench(memoryEdgePorts(world), settings);
}

type MemoryBench = Awaited<ReturnType<typeof start>>;

interface ListedConnection {
  connection_id: string;
  streams: { stream_id: string; last_sequence: number; phase: string }[];
  connected_at: number;
  last_seen: number;
  client_address: string;
  user_agent: string;
}

interface Listing {
  connections: ListedConnection[];
  next_after: string | null;
}

/** The admin port of an edge. */
async function openAdmin(bench: MemoryBench) {
  const app = express().use(bench.edge.adminRoutes);
  const server = await listen(app, { host: "127.0.0.1", port: 0 });
  const list = async (query = ""): Promise<Listing> => {
    const response = await fetch(`http://127.0.0.1:${server.port}/connections${query}`);
    expect(response.status).toBe(200);
    return (await response.json()) as Listing;
  };
  return { list, port: server.port, [Symbol.asyncDispose]: () => server.close(0) };
}

async function startWith(ids: readonly string[], settings: Partial<EdgeSettings> = {}): Promise<MemoryBench> {
  const bench = await start(settings);
  for (const id of ids) await bench.ingest.create(id);
  return bench;
}

describe("the list of connections", () => {
  test("says whose each is, what it carries and how far, and forgets it when it is over", async () => {
    await using bench = await startWith(["s"], { trustedProxies: 1 });
    await using admin = await openAdmin(bench);
    const beforeMs = Date.now();
    await bench.ingest.publish("s", ["1", "2"]);
    const headers = { "user-agent": `test ${"x".repeat(1_000)}`, "x-forwarded-for": "6.6.6.6, 192.0.2.7" };
    const reader = await bench.open("/streams/s/events", headers);
    await reader.untilSequence(2);
    const { connections, next_after } = await admin.list();
    expect(next_after).toBeNull();
    expect(connections).toEqual([
      {
        connection_id: listedIdOf(String(reader.response.headers["sluice-connection-id"])),
        streams: [{ stream_id: "s", last_sequence: 2, phase: "live" }],
        connected_at: expect.any(Number),
        last_seen: expect.any(Number),
        // The one that the trusted proxy saw, not what the client made up before it.
        client_address: "192.0.2.7",
        user_agent: headers["user-agent"].slice(0, 256),
      },
    ]);
    expect(connections[0]!.connected_at).toBeGreaterThanOrEqual(beforeMs);
    expect(connections[0]!.last_seen).toBeGreaterThanOrEqual(connections[0]!.connected_at);
    reader.close();
    await eventually("it to be gone", async () => (await admin.list()).connections.length === 0);
  });

  test("has two readers of one stream as two, and many streams of one connection together", async () => {
    await using bench = await startWith(["a", "b"]);
    await using admin = await openAdmin(bench);
    for (const path of [
      "/streams/a/events",
      "/streams/a/events",
      "/streams/events?stream_id=a&stream_id=b",
    ]) {
      const reader = await bench.open(path);
      await reader.until("the opening", () => reader.retries.length === 1);
    }
    const { connections } = await admin.list();
    const carried = connections.map(({ streams }) => streams.map(({ stream_id }) => stream_id).join("+"));
    expect(carried.toSorted()).toEqual(["a", "a", "a+b"]);
    expect(new Set(connections.map(({ connection_id }) => connection_id)).size).toBe(3);
  });

  test("comes in pages, of one server and of all, each connection once", async () => {
    const world = memoryWorld();
    await using first = await start({}, world);
    await using second = await start({}, world);
    await using admin = await openAdmin(second);
    await first.ingest.create("s");
    const ids: string[] = [];
    for (const bench of [first, second, first, second, first, second, first]) {
      const reader = await bench.open("/streams/s/events");
      ids.push(listedIdOf(String(reader.response.headers["sluice-connection-id"])));
    }
    const listAll = async (scope: string): Promise<string[]> => {
      const listed: string[] = [];
      for (let after: string | null = ""; after !== null;) {
        const { connections, next_after }: Listing = await admin.list(`?limit=2${scope}&after=${after}`);
        expect(connections.length).toBeLessThanOrEqual(2);
        listed.push(...connections.map(({ connection_id }) => connection_id));
        after = next_after;
      }
      return listed;
    };
    expect(await listAll("")).toHaveLength(3);
    expect((await listAll("&scope=all")).toSorted()).toEqual(ids.toSorted());
  });

  test("gives no power: no id in it changes a connection, at whatever pod, nor does the list hold the one that does", async () => {
    const world = memoryWorld();
    await using owner = await start({}, world);
    await using other = await start({}, world);
    await using admin = await openAdmin(other);
    for (const id of ["mine", "secret"]) await owner.ingest.create(id);
    const victim = await owner.open("/streams/events?stream_id=mine");
    await victim.until("the opening", () => victim.retries.length === 1);
    const id = String(victim.response.headers["sluice-connection-id"]);
    const listing = JSON.stringify(await admin.list("?scope=all"));
    expect(listing).toContain('"mine"');
    expect(listing).not.toContain(id.split(".")[1]);
    const listed = (JSON.parse(listing) as Listing).connections[0]!.connection_id;
    expect(listed.split(".")[0]).toBe(id.split(".")[0]);
    for (const bench of [owner, other]) {
      // A guess that has the form of an id leads to the pod, and no further.
      for (const guess of [listed, listed.slice(0, id.length), `${listed.slice(0, 9)}${"A".repeat(16)}`]) {
        for (const [method, streamId] of [
          ["DELETE", "mine"],
          ["POST", "secret"],
        ]) {
          const response = await fetch(`${bench.url}/connections/${guess}/streams/${streamId}`, {
            method: method!,
          });
          expect([response.status, await response.json()]).toMatchObject([
            404,
            { code: "CONNECTION_NOT_FOUND" },
          ]);
        }
      }
    }
    const own = await fetch(`${other.url}/connections/${id}/streams/secret`, { method: "POST" });
    expect(own.status).toBe(204);
    victim.close();
  });

  test("is bounded, and refuses what is no number", async () => {
    await using bench = await startWith(["s"]);
    await using admin = await openAdmin(bench);
    const response = await fetch(`http://127.0.0.1:${admin.port}/connections?limit=all`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "INVALID_REQUEST" });
  });
});

test("connections that have become old end, not all at once, each told when to come again, and resume", async () => {
  await using bench = await startWith(["s"], { maxConnectionAgeMs: 500 });
  await bench.ingest.publish("s", ["1"]);
  const readers = await Promise.all(sequencesTo(20).map(() => bench.open("/streams/s/events")));
  const begunMs = performance.now();
  const ages = await Promise.all(
    readers.map(async (reader) => {
      await reader.untilEnd();
      return performance.now() - begunMs;
    }),
  );
  expect(Math.min(...ages)).toBeGreaterThan(300);
  expect(Math.max(...ages)).toBeLessThan(1_500);
  expect(Math.max(...ages) - Math.min(...ages)).toBeGreaterThan(50);
  for (const reader of readers) expect(reader.retries).toHaveLength(2);
  expect(await bench.metric("sluice_edge_aged_total")).toBe(20);
  await bench.ingest.publish("s", [], "completed");
  const resumed = await bench.open("/streams/s/events", { "Last-Event-ID": "1" });
  await resumed.untilEnd();
  expect(resumed.sequences).toEqual([2]);
});

test("a reader who froze without a word on a quiet stream is out of the list within the connection age", async () => {
  // What the kernel takes for him is no sign of life, and of heartbeats it would take days' worth.
  await using bench = await startWith(["s"], { maxConnectionAgeMs: 1_000, keepAliveIntervalMs: 40 });
  await using admin = await openAdmin(bench);
  await using proxy = await startFaultProxy(bench.url);
  const reader = await TestReader.open(`${proxy.url.replace("nats:", "http:")}/streams/s/events`);
  await reader.until("a heartbeat", () => reader.comments.length > 0);
  proxy.pause();
  const before = (await admin.list()).connections;
  expect(before).toHaveLength(1);
  // Frozen, and heartbeats are still written to him.
  await eventually("a heartbeat more", async () => {
    const [listed] = (await admin.list()).connections;
    return listed === undefined || listed.last_seen > before[0]!.last_seen;
  });
  await eventually("it to be gone", async () => (await admin.list()).connections.length === 0);
  expect(bench.edge.counts()).toMatchObject({ connections: 0, subscribers: 0 });
  expect(await bench.metric("sluice_edge_aged_total")).toBe(1);
  expect(await bench.metric("sluice_edge_stalled_total")).toBe(0);
  reader.close();
});

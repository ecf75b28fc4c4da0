import { StreamError, type ConnectionRecord, type LogFacts } from "@sluice/core";
import {
  connectionListSchema,
  GATEWAY_OPERATIONS,
  openApiDocument,
  partitionListSchema,
  readerCountsSchema,
  rejectedListSchema,
  serviceListSchema,
  streamListSchema,
} from "@sluice/protocol";
import {
  MemoryChunkCache,
  MemoryEdgePeers,
  MemoryLog,
  MemoryPartitionLeases,
  MemoryPartitionLog,
  MemoryReaderPresence,
  MemoryRejectedElements,
  MemoryServiceReports,
  MemoryStreamLog,
} from "@sluice/memory";
import { DescribedAnswers, logEntry, memoryGatewayPorts, textElement } from "@sluice/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { z } from "zod";
import { controlRoutes } from "../src/control/control-routes.ts";
import { Bench } from "./gateway-bench.ts";

const PARTITIONS = 2;

class DeafLog extends MemoryPartitionLog {
  override facts(): Promise<LogFacts> {
    return Promise.reject(new StreamError("LOG_UNAVAILABLE", "the log can't be reached"));
  }
}

let log: MemoryPartitionLog;
let cache: MemoryChunkCache;
let leases: MemoryPartitionLeases;
let reports: MemoryServiceReports;
let peers: MemoryEdgePeers;
let presence: MemoryReaderPresence;
let bench: Bench;
const ORIGIN = "https://a.example";

async function startWith(partitionLog: MemoryPartitionLog): Promise<void> {
  const control = controlRoutes({
    cache,
    leases,
    log: partitionLog,
    rejected: new MemoryRejectedElements(log),
    reports,
    peers,
    presence,
  });
  const streamLog = new MemoryStreamLog(log.log);
  const ports = { ...memoryGatewayPorts(), log: streamLog, control };
  bench = await new Bench(ports, { corsOrigins: `*,${ORIGIN}` }).listen();
}

beforeEach(async () => {
  log = new MemoryPartitionLog(new MemoryLog({ partitions: PARTITIONS }));
  cache = new MemoryChunkCache({ partitions: PARTITIONS });
  leases = new MemoryPartitionLeases({ partitions: PARTITIONS, cache });
  reports = new MemoryServiceReports();
  peers = new MemoryEdgePeers();
  presence = new MemoryReaderPresence();
  await startWith(log);
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

/** An answer that is what the protocol says, no more and no less. */
async function read<T extends z.ZodType>(schema: T, path: string): Promise<z.output<T>> {
  const { status, body } = await bench.call("GET", path);
  expect(status).toBe(200);
  const parsed = schema.parse(body);
  expect(parsed).toEqual(body);
  return parsed;
}

test("streams are listed by status and prefix, in pages, as their records say", async () => {
  await cache.seedCheckpoint(0, { brokerSequence: 0, timestampMs: 0, logCreatedMs: 1 });
  // All of partition 0.
  const end = textElement("end", { endStatus: "completed" });
  await cache.append({
    partition: 0,
    readAfter: 0,
    checkpoint: { brokerSequence: 3, timestampMs: 1, logCreatedMs: 1 },
    entries: [
      logEntry(1, { streamId: "a", firstSequence: 1, texts: ["x"] }),
      logEntry(2, { streamId: "de", firstSequence: 1, elements: [end] }),
      logEntry(3, { streamId: "da", firstSequence: 1, texts: ["x"] }),
    ],
  });
  const first = await read(streamListSchema, "/streams?limit=2");
  expect(first.streams.map((stream) => stream.stream_id)).toEqual(["da", "de"]);
  expect(first.streams[1]).toMatchObject({
    status: "completed",
    head_sequence: 1,
    chunk_count: 1,
    ended_ms: 1002,
  });
  const second = await read(streamListSchema, `/streams?limit=2&cursor=${first.next_cursor}`);
  expect(second).toMatchObject({
    streams: [{ stream_id: "a", status: "open", ended_ms: null }],
    next_cursor: null,
  });
  const open = await read(streamListSchema, "/streams?status=open&prefix=d");
  expect(open.streams.map((stream) => stream.stream_id)).toEqual(["da"]);
});

test.each([
  ["/streams?status=closed", "status"],
  ["/streams?limit=201", "limit"],
  ["/streams?limit=x", "limit"],
  ["/streams?prefix=a%20b", "prefix"],
  ["/streams?cursor=x", "cursor"],
  ["/streams?stauts=open", "stauts"],
  ["/control/connections?limit=0", "limit"],
  ["/control/readers", "stream_id"],
  ["/control/rejected?before=0", "before"],
])("%s is refused, and the answer names %s", async (path, field) => {
  expect(await bench.call("GET", path)).toMatchObject({
    status: 400,
    body: { code: "INVALID_REQUEST", field },
  });
});

test("every process that answers is among the services, by service and age", async () => {
  const serve = (service: "edge" | "ingest", instance: string, startedMs: number) =>
    reports.serve(async () => ({
      service,
      instance,
      startedMs,
      figures: { rss_bytes: 7 },
      partitions: service === "ingest" ? [{ partition: 1, lagMs: 0, lagMessages: 0 }] : [],
    }));
  serve("ingest", "i", 1);
  serve("edge", "young", 9);
  serve("edge", "old", 5);
  const { services } = await read(serviceListSchema, "/control/services");
  expect(services.map(({ instance }) => instance)).toEqual(["old", "young", "i"]);
  expect(services[2]).toEqual({
    service: "ingest",
    instance: "i",
    started_ms: 1,
    figures: { rss_bytes: 7 },
    partitions: [1],
  });
});

test("connections of all pods come in the order of their ids, in pages", async () => {
  const pod = (...ids: string[]) => ({
    changeStreams: async () => {},
    listConnections: ({ after, limit }: { after: string; limit: number }) => {
      const following = ids.filter((id) => id > after);
      return { connections: following.slice(0, limit).map(connection), hasMore: following.length > limit };
    },
  });
  peers.serve("p", pod("p.1", "p.2"));
  peers.serve("q", pod("q.1"));
  const first = await read(connectionListSchema, "/control/connections?limit=2");
  expect(first.connections.map(({ connection_id: id }) => id)).toEqual(["p.1", "p.2"]);
  const second = await read(connectionListSchema, `/control/connections?limit=2&after=${first.next_after}`);
  expect(second).toEqual({
    connections: [
      {
        connection_id: "q.1",
        streams: [{ stream_id: "s", last_sequence: 4, phase: "live" }],
        connected_at: 1,
        last_seen: 2,
        client_address: "192.0.2.1",
        user_agent: "curl",
      },
    ],
    next_after: null,
  });
});

test("readers are counted by stream, and that nobody can be asked is told, not taken for none", async () => {
  expect(await bench.call("GET", "/control/readers?stream_id=a")).toMatchObject({
    status: 503,
    body: { code: "CONNECTION" },
  });
  presence.answerPresence((streamId) => (streamId === "a" ? 3 : 0));
  const counts = await read(readerCountsSchema, "/control/readers?stream_id=a&stream_id=b");
  expect(counts).toEqual({ readers: { a: 3, b: 0 } });
});

test("partitions show their owner, how far they are applied and how far behind their owner says that they are", async () => {
  const checkpoint = { brokerSequence: 7, timestampMs: 5, logCreatedMs: 1 };
  await cache.seedCheckpoint(1, checkpoint);
  await leases.acquire(1, "owner", 10_000);
  const owned = { partition: 1, lagMs: 12.5, lagMessages: 3 };
  const report = { service: "ingest", startedMs: 1, figures: {} } as const;
  reports.serve(async () => ({ ...report, instance: "owner", partitions: [owned] }));
  // One that has lost the lease and doesn't know it yet.
  reports.serve(async () => ({ ...report, instance: "late", partitions: [{ ...owned, lagMs: 9_000 }] }));
  expect(await read(partitionListSchema, "/control/partitions")).toEqual({
    partitions: [
      { partition: 0, owner: null, checkpoint: null, lag_ms: null, lag_messages: null },
      {
        partition: 1,
        owner: "owner",
        checkpoint: { broker_sequence: 7, timestamp_ms: 5, log_created_ms: 1 },
        lag_ms: 12.5,
        lag_messages: 3,
      },
    ],
    log: {
      first_sequence: log.log.firstSequence,
      last_sequence: log.log.lastSequence,
      created_ms: log.log.createdMs,
      fullness: 0,
    },
  });
});

test("partitions are shown while the log is away", async () => {
  await bench[Symbol.asyncDispose]();
  await startWith(new DeafLog(log.log));
  const { partitions, log: shown } = await read(partitionListSchema, "/control/partitions");
  expect(partitions).toHaveLength(PARTITIONS);
  expect(shown).toBeNull();
});

test("what was refused is shown newest first, in pages, with the beginning of what was sent", async () => {
  const reject = (index: number, element: string): Promise<void> =>
    log.reject({ streamId: "s", brokerSequence: 7, index, reason: "no", element: Buffer.from(element) });
  await reject(0, "first");
  await reject(1, "second");
  await reject(2, `${"x".repeat(4_095)}ü`);
  const first = await read(rejectedListSchema, "/control/rejected?limit=2");
  expect(first.rejected.map(({ element }) => element)).toEqual([2, 1]);
  expect(first.rejected[0]).toMatchObject({ payload: "x".repeat(4_095), payload_bytes: 4_097 });
  const second = await read(rejectedListSchema, `/control/rejected?limit=2&before=${first.next_before}`);
  expect(second).toMatchObject({
    rejected: [{ stream_id: "s", reason: "no", broker_sequence: 7, payload: "first", payload_bytes: 5 }],
    next_before: null,
  });
});

test("pages of other origins can't read what is for operators, and producers' routes stay as they are", async () => {
  for (const path of ["/streams", "/control/services", "/control/connections"]) {
    const listing = await bench.call("GET", path);
    expect(listing.status).toBe(200);
    expect(listing.headers.get("access-control-allow-origin")).toBeNull();
    expect(listing.headers.get("cache-control")).toBe("no-store");
  }
  const index = await bench.call("GET", "/");
  expect(index.headers.get("access-control-allow-origin")).toBe("*");
  const preflight = await fetch(`http://127.0.0.1:${bench.port}/streams`, {
    method: "OPTIONS",
    headers: { origin: ORIGIN, "access-control-request-method": "POST" },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-origin")).toBe(ORIGIN);
});

test("without them a gateway has no routes for operators", async () => {
  const answers = new DescribedAnswers(openApiDocument("gateway", GATEWAY_OPERATIONS));
  await using bare = await new Bench({ ...memoryGatewayPorts(), answers }).listen();
  expect((await bare.call("GET", "/streams")).status).toBe(405);
  for (const path of ["/control/services", "/control/rejected"]) {
    expect((await bare.call("GET", path)).status).toBe(404);
  }
});

function connection(connectionId: string): ConnectionRecord {
  return {
    connectionId,
    streams: [{ streamId: "s", lastSequence: 4, phase: "live" }],
    connectedMs: 1,
    lastSeenMs: 2,
    address: "192.0.2.1",
    userAgent: "curl",
  };
}

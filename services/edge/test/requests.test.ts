import { StreamError } from "@sluice/core";
import { memoryEdgePorts } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { eventually, sequencesTo, startBench } from "./edge-bench.ts";

function start(settings: Partial<EdgeSettings> = {}) {
  return startBench(memoryEdgePorts(), settings);
}

/** A stream `s` with texts 1 … 5, open. */
async function startWithFive(settings: Partial<EdgeSettings> = {}) {
  const bench = await start(settings);
  await bench.ingest.create("s");
  await bench.ingest.publish("s", ["a", "b", "c", "d", "e"]);
  return bench;
}

const token = (text: string): string => encodeURIComponent(btoa(text));

describe("a position", () => {
  test.each([
    ["nothing", "", {}, 1],
    ["the header", "", { "Last-Event-ID": "2" }, 3],
    ["last_event_id", "&last_event_id=3", {}, 4],
    ["lastEventId", "&lastEventId=3", {}, 4],
    ["resume_token, as a client of the original API makes it", `&resume_token=${token("s:4")}`, {}, 5],
    ["from, the first wanted", "&from=4", {}, 4],
    [
      "the header before a stale query",
      `&last_event_id=1&resume_token=${token("s:1")}`,
      { "Last-Event-ID": "3" },
      4,
    ],
    ["the query before a token", `&last_event_id=3&resume_token=${token("s:1")}`, {}, 4],
    ["tail, how many of the last", "&tail=2", {}, 4],
    ["tail, where there are fewer", "&tail=9", {}, 1],
    ["the header before tail", "&tail=1", { "Last-Event-ID": "1" }, 2],
    ["from before tail", "&from=2&tail=1", {}, 2],
    ["a token before from", `&resume_token=${token("s:3")}&from=1`, {}, 4],
    ["an empty header as none", "&from=5", { "Last-Event-ID": "" }, 5],
    ["equal headers as one", "", { "Last-Event-ID": "2, 2" }, 3],
    ["the last of the query's", "&lastEventId=1&lastEventId=3", {}, 4],
    ["the last of the query's, under either name", "&lastEventId=4&last_event_id=2", {}, 3],
    ["the last of the query's that isn't empty", "&lastEventId=3&lastEventId=", {}, 4],
  ])("is read from %s", async (_what, query, headers: Record<string, string>, first) => {
    await using bench = await startWithFive();
    const reader = await bench.open(`/stream?stream_id=s${query}`, headers);
    await reader.untilSequence(5);
    expect(reader.sequences).toEqual(sequencesTo(5, first));
    expect(reader.response.headers["sluice-resume-token"]).toBe(btoa(`s:${first - 1}`));
  });

  test.each([
    ["a token that is none", `/stream?stream_id=s&resume_token=xx`, {}, "INVALID_RESUME_TOKEN"],
    [
      "a token of another stream",
      `/stream?stream_id=s&resume_token=${token("t:1")}`,
      {},
      "INVALID_RESUME_TOKEN",
    ],
    ["a header that is no sequence", "/stream?stream_id=s", { "Last-Event-ID": "abc" }, "INVALID_REQUEST"],
    ["headers that differ", "/stream?stream_id=s", { "Last-Event-ID": "1, 2" }, "INVALID_REQUEST"],
    ["from zero", "/stream?stream_id=s&from=0", {}, "INVALID_REQUEST"],
    ["a tail that is no number", "/stream?stream_id=s&tail=-1", {}, "INVALID_REQUEST"],
    ["a doubled parameter", "/stream?stream_id=s&from=1&from=2", {}, "INVALID_REQUEST"],
    ["a wait that is no number", "/stream?stream_id=s&wait=long", {}, "INVALID_REQUEST"],
    ["no stream id", "/stream", {}, "INVALID_STREAM_ID"],
    ["a bad stream id", "/streams/a.b/events", {}, "INVALID_STREAM_ID"],
  ])("is refused with 400 for %s", async (_what, path, headers: Record<string, string>, code) => {
    await using bench = await startWithFive();
    const response = await fetch(bench.url + path, { headers });
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(await response.json()).toMatchObject({ code });
  });
});

describe("a response", () => {
  test("has the headers that keep proxies and browsers from spoiling it, and a retry delay of its own", async () => {
    await using bench = await startWithFive({ retryMs: 1_000 });
    const readers = await Promise.all(sequencesTo(8).map(() => bench.open("/streams/s/events")));
    expect(readers[0]?.response.headers).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
      "access-control-allow-origin": "*",
      "access-control-expose-headers": expect.stringMatching(
        /^Sluice-Resume-Token,Sluice-Connection-Id,.*Retry-After$/,
      ),
    });
    for (const reader of readers) await reader.until("retry", () => reader.retries.length === 1);
    const delays = readers.map((reader) => reader.retries[0] ?? 0);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(500);
    expect(Math.max(...delays)).toBeLessThanOrEqual(1_500);
    expect(new Set(delays).size).toBeGreaterThan(1);
  });

  test("begins at once, before the first chunk", async () => {
    await using bench = await start();
    await bench.ingest.create("s");
    const reader = await bench.open("/streams/s/events");
    await reader.until("the first bytes", () => reader.retries.length === 1);
    expect(reader.status).toBe(200);
  });

  test("is 204 at the head of an ended stream, so that browsers stop", async () => {
    await using bench = await startWithFive();
    await bench.ingest.publish("s", [], "completed");
    const response = await fetch(`${bench.url}/streams/s/events`, { headers: { "Last-Event-ID": "6" } });
    expect(response.status).toBe(204);
    expect(response.headers.get("sluice-status")).toBe("completed");
    const reader = await bench.open("/streams/s/events", { "Last-Event-ID": "5" });
    await reader.untilEnd();
    expect(reader.sequences).toEqual([6]);
  });

  test("is 410 for a deleted stream, and its readers are told", async () => {
    await using bench = await startWithFive();
    const reader = await bench.open("/streams/s/events");
    await reader.untilSequence(5);
    await bench.ingest.delete("s");
    await reader.untilEnd();
    expect(reader.events.at(-1)).toMatchObject({ event: "deleted", id: "6" });
    const response = await fetch(`${bench.url}/streams/s/events`);
    expect(response.status).toBe(410);
    expect(await response.json()).toMatchObject({ code: "STREAM_DELETED" });
  });

  test("tells of a deletion also where its live message was lost", async () => {
    await using bench = await startWithFive({ tailGraceMs: 5, headCheckIntervalMs: 600_000 });
    const reader = await bench.open("/streams/s/events");
    await reader.untilSequence(5);
    bench.ingest.say = () => null;
    await bench.ingest.delete("s");
    bench.ingest.announce("s", 6, { hasEnded: true });
    await reader.untilEnd();
    expect(reader.events.at(-1)).toMatchObject({ event: "deleted", id: "6" });
  });

  test("to HEAD has headers and no body, and leaves nobody behind", async () => {
    await using bench = await startWithFive();
    const response = await fetch(`${bench.url}/streams/s/events`, { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    expect(await response.text()).toBe("");
  });

  test("to OPTIONS names the methods of that path, as the description does", async () => {
    await using bench = await start();
    const allowedAt = async (path: string): Promise<string | null> =>
      (await fetch(bench.url + path, { method: "OPTIONS" })).headers.get("allow");
    expect(await allowedAt("/streams/s/events")).toBe("GET, HEAD, OPTIONS");
    expect(await allowedAt("/streams/s/cancel")).toBe("POST, OPTIONS");
    expect(await allowedAt("/connections/c/streams/s")).toBe("DELETE, POST, OPTIONS");
    expect((await fetch(`${bench.url}/none`, { method: "OPTIONS" })).status).toBe(404);
  });

  test("to OPTIONS allows what a reader needs", async () => {
    await using bench = await start({ corsOrigins: "https://a.example, https://b.example" });
    const preflight = (origin: string): Promise<Response> =>
      fetch(`${bench.url}/stream`, {
        method: "OPTIONS",
        headers: { Origin: origin, "Access-Control-Request-Method": "GET" },
      });
    const allowed = await preflight("https://b.example");
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://b.example");
    expect(allowed.headers.get("access-control-allow-headers")).toContain("Last-Event-ID");
    expect(allowed.headers.get("vary")).toContain("Origin");
    expect((await preflight("https://c.example")).headers.get("access-control-allow-origin")).toBeNull();
  });

  test("is 404 problem+json for a path that isn't there", async () => {
    await using bench = await start();
    expect((await fetch(`${bench.url}/elsewhere`)).status).toBe(404);
  });
});

describe("an unknown stream", () => {
  test("is 404 when ingest has looked, and asked for only once in a while", async () => {
    await using bench = await start({ unknownTtlMs: 60_000 });
    let asked = 0;
    bench.ingest.answerRebuilds(async () => {
      asked++;
      return { kind: "unknown" };
    });
    const statuses = await Promise.all(
      sequencesTo(10).map(async () => (await fetch(`${bench.url}/stream?stream_id=none`)).status),
    );
    statuses.push((await fetch(`${bench.url}/stream?stream_id=none`)).status);
    expect(new Set(statuses)).toEqual(new Set([404]));
    expect(asked).toBe(1);
  });

  test("is found where its creation is in the log and not in the cache yet", async () => {
    await using bench = await start();
    bench.ingest.answerRebuilds(async (streamId) => {
      await bench.ingest.create(streamId);
      return { kind: "restored", firstAvailable: 1, head: 0, status: "open" };
    });
    const reader = await bench.open("/streams/new/events");
    expect(reader.status).toBe(200);
    await bench.ingest.publish("new", ["a"]);
    await reader.untilSequence(1);
    expect(reader.sequences).toEqual([1]);
  });

  test("is waited for as long as the reader asks", async () => {
    await using bench = await start({ unknownTtlMs: 10 });
    bench.ingest.answerRebuilds(async () => ({ kind: "unknown" }));
    const opening = bench.open("/streams/soon/events?wait=20");
    await eventually(
      "the reader to wait",
      async () => (await bench.metric("sluice_edge_rebuild_requests_total")) > 1,
    );
    await bench.ingest.create("soon");
    await bench.ingest.publish("soon", ["a"]);
    const reader = await opening;
    await reader.untilSequence(1);
    expect(reader.sequences).toEqual([1]);
    expect((await fetch(`${bench.url}/streams/never/events?wait=0`)).status).toBe(404);
  });

  test("is waited for also while heads are checked, which nobody knows of yet", async () => {
    await using bench = await start({ headCheckIntervalMs: 20, tailGraceMs: 5, unknownTtlMs: 5 });
    bench.ingest.answerRebuilds(async () => ({ kind: "unknown" }));
    const reading = bench.open("/streams/late/events?wait=5");
    await expect.poll(() => bench.metric("sluice_edge_head_checks_total")).toBeGreaterThan(1);
    await bench.ingest.create("late");
    await bench.ingest.publish("late", ["a"], "completed");
    const reader = await reading;
    await reader.untilEnd();
    expect(reader.sequences).toEqual([1, 2]);
  });

  test("leaves nothing behind where the reader goes while it is waited for", async () => {
    await using bench = await start();
    bench.ingest.answerRebuilds(async () => ({ kind: "unknown" }));
    const abort = new AbortController();
    const waiting = fetch(`${bench.url}/streams/never/events?wait=20`, { signal: abort.signal }).catch(
      () => "gone",
    );
    await eventually("the reader to wait", () => bench.edge.counts().subscribers === 1);
    abort.abort();
    expect(await waiting).toBe("gone");
    await eventually("the reader to be gone", () => bench.edge.counts().subscribers === 0);
    expect(bench.edge.counts().streams).toBe(0);
  });
});

describe("a refusal that may pass", () => {
  test("is 503 with Retry-After where ingest doesn't answer whether a stream exists", async () => {
    await using bench = await start({ rebuildTimeoutMs: 20 });
    bench.edgeFeed.disconnect();
    const response = await fetch(`${bench.url}/stream?stream_id=s`);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toMatchObject({ code: "CONNECTION" });
    bench.edgeFeed.reconnect();
  });

  test("is 503 with Retry-After where the cache is away", async () => {
    await using bench = await startWithFive();
    bench.cache.readPage = () => Promise.reject(new StreamError("CACHE_UNAVAILABLE", "redis is away"));
    const response = await fetch(`${bench.url}/stream?stream_id=s`);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    const ours = { accept: "text/event-stream", "sluice-client": "test" };
    expect((await fetch(`${bench.url}/stream?stream_id=s`, { headers: ours })).status).toBe(503);
  });

  test("is an empty stream for EventSource, which a 503 would end for good", async () => {
    await using bench = await startWithFive();
    bench.cache.readPage = () => Promise.reject(new StreamError("CACHE_UNAVAILABLE", "redis is away"));
    const reader = await bench.open("/stream?stream_id=s", { accept: "text/event-stream" });
    await reader.untilEnd();
    expect(reader.status).toBe(200);
    expect(reader.retries).toHaveLength(1);
    expect(reader.comments).toEqual(["CACHE_UNAVAILABLE: redis is away"]);
    expect(reader.events).toEqual([]);
  });

  test("comes from too many connections, from one address or at all", async () => {
    await using bench = await startWithFive({ maxConnections: 2 });
    await bench.open("/streams/s/events");
    await bench.open("/streams/s/events");
    expect((await fetch(`${bench.url}/streams/s/events`)).status).toBe(503);

    await using limited = await startWithFive({ connectsPerSecond: 0.001, connectBurst: 2 });
    await limited.open("/streams/s/events");
    await limited.open("/streams/s/events");
    expect((await fetch(`${limited.url}/streams/s/events`)).status).toBe(503);
  });

  test("comes from too many streams", async () => {
    await using bench = await startWithFive({ maxStreams: 1 });
    await bench.ingest.create("t");
    await bench.open("/streams/s/events");
    const response = await fetch(`${bench.url}/streams/t/events`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: "OVERLOADED" });
  });
});

import { memoryEdgePorts } from "@sluice/testing";
import type { Chunk } from "@sluice/core";
import { describe, expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { eventually, sequencesTo, startBench } from "./edge-bench.ts";

function start(settings: Partial<EdgeSettings> = {}) {
  return startBench(memoryEdgePorts(), settings);
}

type MemoryBench = Awaited<ReturnType<typeof start>>;

interface HistoryJson {
  stream_id: string;
  chunks: Chunk[];
  next_after: number;
  head: number;
  status: string;
  gaps?: object[];
}

async function page(bench: MemoryBench, query: string): Promise<HistoryJson> {
  const response = await fetch(`${bench.url}/streams/s/chunks${query}`);
  expect(response.status).toBe(200);
  return (await response.json()) as HistoryJson;
}

const sequencesOf = ({ chunks }: HistoryJson): number[] => chunks.map(({ sequence }) => sequence);

async function startWith(count: number, settings: Partial<EdgeSettings> = {}): Promise<MemoryBench> {
  const bench = await start(settings);
  await bench.ingest.create("s");
  if (count > 0) await bench.ingest.publish("s", sequencesTo(count).map(String));
  return bench;
}

describe("a page of history", () => {
  test("has the chunks after a sequence, and leads through the whole stream to its end", async () => {
    await using bench = await startWith(25);
    await bench.ingest.publish("s", [], "completed");
    const got: number[] = [];
    let after = 0;
    for (let last: HistoryJson | null = null; last === null || last.next_after < last.head;) {
      last = await page(bench, `?after=${after}&limit=10`);
      expect(last).toMatchObject({ stream_id: "s", head: 26, status: "completed" });
      expect(last.chunks.length).toBeLessThanOrEqual(10);
      got.push(...sequencesOf(last));
      after = last.next_after;
    }
    expect(got).toEqual(sequencesTo(26));
    expect(await page(bench, `?after=26`)).toMatchObject({ chunks: [], next_after: 26 });
  });

  test("may begin with the last ones, of an ended stream too", async () => {
    await using bench = await startWith(9);
    await bench.ingest.publish("s", [], "completed");
    expect(sequencesOf(await page(bench, "?tail=3"))).toEqual([8, 9, 10]);
    expect(sequencesOf(await page(bench, "?from=9"))).toEqual([9, 10]);
  });

  test("has the bytes that a reader of events gets, as JSON and as lines", async () => {
    await using bench = await startWith(3);
    const reader = await bench.open("/streams/s/events");
    await reader.untilSequence(3);
    const told = reader.events.map(({ data }) => data);
    const json = await (await fetch(`${bench.url}/streams/s/chunks`)).text();
    expect(json).toContain(`"chunks":[${told.join(",")}]`);
    const response = await fetch(`${bench.url}/streams/s/chunks?limit=2`, {
      headers: { accept: "application/x-ndjson" },
    });
    expect(response.headers.get("content-type")).toBe("application/x-ndjson");
    expect(await response.text()).toBe(`${told[0]}\n${told[1]}\n`);
    expect(response.headers.get("sluice-next-after")).toBe("2");
    expect(response.headers.get("sluice-head")).toBe("3");
    expect(response.headers.get("sluice-status")).toBe("open");
  });

  test("passes refused elements over, and goes on after them", async () => {
    await using bench = await startWith(1);
    await bench.ingest.reject("s");
    expect(await page(bench, "?after=1")).toMatchObject({ chunks: [], next_after: 2, head: 2 });
    await bench.ingest.publish("s", ["x"]);
    expect(sequencesOf(await page(bench, ""))).toEqual([1, 3]);
  });

  test("has what the cache lost, brought back from the log", async () => {
    await using bench = await startWith(5);
    const readPage = bench.cache.readPage.bind(bench.cache);
    let isLost = true;
    bench.cache.readPage = async (...args) => {
      const found = await readPage(...args);
      if (found === null || !isLost) return found;
      return { ...found, chunks: found.chunks.filter(({ sequence }) => sequence > 3) };
    };
    bench.ingest.answerRebuilds(async () => {
      isLost = false;
      return { kind: "restored", firstAvailable: 1, head: 5, status: "open" };
    });
    expect(sequencesOf(await page(bench, ""))).toEqual(sequencesTo(5));
  });

  test("tells of what the log doesn't have either, and of a position that never was", async () => {
    await using bench = await startWith(5);
    const readPage = bench.cache.readPage.bind(bench.cache);
    bench.cache.readPage = async (...args) => {
      const found = await readPage(...args);
      return found && { ...found, chunks: found.chunks.filter(({ sequence }) => sequence > 3) };
    };
    bench.ingest.answerRebuilds(async () => {
      return { kind: "restored", firstAvailable: 4, head: 5, status: "open" };
    });
    const told = await page(bench, "?after=1");
    expect(told).toMatchObject({ next_after: 5, gaps: [{ from: 2, to: 3, reason: "expired" }] });
    expect(sequencesOf(told)).toEqual([4, 5]);
    const gaps = [{ reset: true, cursor: 9, head: 5, reason: "cursor_ahead" }];
    expect(await page(bench, "?after=9")).toMatchObject({ chunks: [], next_after: 5, gaps });
  });

  test.each([
    ["an unknown stream", "/streams/none/chunks", 404],
    ["a bad id", "/streams/a.b/chunks", 400],
    ["a limit that is no number", "/streams/s/chunks?limit=many", 400],
  ])("is refused for %s", async (_what, path, status) => {
    await using bench = await startWith(1);
    bench.ingest.answerRebuilds(async () => ({ kind: "unknown" }));
    const response = await fetch(bench.url + path);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
  });

  test("is 410 for a deleted stream", async () => {
    await using bench = await startWith(1);
    await bench.ingest.delete("s");
    expect((await fetch(`${bench.url}/streams/s/chunks`)).status).toBe(410);
  });
});

describe("a long poll", () => {
  const isWaiting = (bench: MemoryBench) => () => bench.edge.counts().subscribers === 1;

  test("is answered as soon as there is a chunk", async () => {
    await using bench = await startWith(2);
    const polling = page(bench, "?after=2&wait=30");
    await eventually("it to wait", isWaiting(bench));
    await bench.ingest.publish("s", ["x"]);
    expect(sequencesOf(await polling)).toEqual([3]);
  });

  test("is answered at once where there is one already, and where the stream has ended", async () => {
    await using bench = await startWith(2);
    expect(sequencesOf(await page(bench, "?wait=30"))).toEqual([1, 2]);
    await bench.ingest.publish("s", [], "completed");
    expect(await page(bench, "?after=3&wait=30")).toMatchObject({ chunks: [], status: "completed" });
  });

  test("is answered with nothing after the time, and says where to go on", async () => {
    await using bench = await startWith(2, { maxWaitMs: 50 });
    expect(await page(bench, "?after=2&wait=30")).toMatchObject({
      chunks: [],
      next_after: 2,
      status: "open",
    });
  });

  test("waits for a stream that isn't there yet, as long as it may", async () => {
    await using bench = await start({ unknownTtlMs: 5 });
    bench.ingest.answerRebuilds(async () => ({ kind: "unknown" }));
    const polling = page(bench, "?wait=20");
    await eventually("it to wait", isWaiting(bench));
    await bench.ingest.create("s");
    await bench.ingest.publish("s", ["x"]);
    expect(sequencesOf(await polling)).toEqual([1]);
  });

  test("misses nothing where the live message is lost but its head is announced", async () => {
    await using bench = await startWith(2, { tailGraceMs: 5, headCheckIntervalMs: 600_000 });
    const polling = page(bench, "?after=2&wait=30");
    await eventually("it to wait", isWaiting(bench));
    bench.ingest.say = () => null;
    await bench.ingest.publish("s", ["x"]);
    bench.ingest.announce("s", 3);
    expect(sequencesOf(await polling)).toEqual([3]);
  });

  test("sees what is said while it finds that there is nothing", async () => {
    await using bench = await startWith(2, { headCheckIntervalMs: 600_000 });
    const readPage = bench.cache.readPage.bind(bench.cache);
    let isFirst = true;
    bench.cache.readPage = async (...args) => {
      const found = await readPage(...args);
      if (isFirst) {
        isFirst = false;
        await bench.ingest.publish("s", ["x"]);
        await new Promise((resolve) => setImmediate(resolve));
        await new Promise((resolve) => setImmediate(resolve));
      }
      return found;
    };
    const begunMs = performance.now();
    expect(sequencesOf(await page(bench, "?after=2&wait=3"))).toEqual([3]);
    expect(performance.now() - begunMs).toBeLessThan(2_000);
  });

  test("sees every chunk once, however it falls between them", async () => {
    await using bench = await startWith(0);
    const got: number[] = [];
    const reading = (async () => {
      for (let after = 0, status = "open"; status === "open";) {
        const told = await page(bench, `?after=${after}&wait=20`);
        got.push(...sequencesOf(told));
        after = told.next_after;
        status = told.next_after === told.head ? told.status : "open";
      }
    })();
    for (let count = 0; count < 200; count++) {
      await bench.ingest.publish("s", ["x"]);
      if (Math.random() < 0.3) await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
    }
    await bench.ingest.publish("s", [], "completed");
    await reading;
    expect(got).toEqual(sequencesTo(201));
  });

  test("is answered when its server goes away, and leaves nothing behind when its client does", async () => {
    await using bench = await startWith(2);
    const abort = new AbortController();
    const given = fetch(`${bench.url}/streams/s/chunks?after=2&wait=20`, { signal: abort.signal });
    const gone = given.catch(() => "gone");
    await eventually("it to wait", isWaiting(bench));
    abort.abort();
    expect(await gone).toBe("gone");
    await eventually("it to be gone", () => bench.edge.counts().subscribers === 0);
    const polling = page(bench, "?after=2&wait=20");
    await eventually("it to wait", isWaiting(bench));
    await bench.edge.drain();
    expect(await polling).toMatchObject({ chunks: [], next_after: 2 });
  });
});

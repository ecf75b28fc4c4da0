import { createClient, StreamClient, type Client, type Stream } from "@sluice/client";
import { memoryEdgePorts, memoryWorld } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { eventually, sequencesTo, startBench } from "./edge-bench.ts";

const LETTERS = ["a", "b", "c", "d", "e"];

async function start(settings: Partial<EdgeSettings> = {}, world = memoryWorld()) {
  const bench = await startBench(memoryEdgePorts(world), { retryMs: 10, ...settings });
  bench.ingest.answerRebuilds(async () => ({ kind: "unknown" }));
  return bench;
}

type TestBench = Awaited<ReturnType<typeof start>>;

async function publishNew(
  bench: TestBench,
  ids: readonly string[],
  texts: string[],
  end?: "completed" | "errored",
) {
  for (const id of ids) {
    await bench.ingest.create(id);
    await bench.ingest.publish(id, texts, end);
  }
}

/** A client, and what it asks: `GET /streams/events?… @ 1.2`. */
function openClient(
  url: string,
  options: { fetch?: (url: string, init?: RequestInit) => Promise<Response> } = {},
): { client: Client; requests: string[] } {
  const requests: string[] = [];
  const fetch: typeof globalThis.fetch = (request, init) => {
    const target = request as string;
    const position = new Headers(init?.headers).get("Last-Event-ID");
    requests.push(`${init?.method} ${target.slice(url.length)}${position === null ? "" : ` @ ${position}`}`);
    return (options.fetch ?? globalThis.fetch)(target, init);
  };
  return { client: createClient({ edgeUrl: url, share: true, fetch }), requests };
}

/** What a stream gives, in order. */
function record(stream: Stream): { sequences: number[]; gaps: unknown[] } {
  const seen = { sequences: [] as number[], gaps: [] as unknown[] };
  stream.on("chunk", ({ sequence }) => seen.sequences.push(sequence));
  stream.on("gap", (gap) => seen.gaps.push(gap));
  return seen;
}

const isOpen = (stream: Stream) => eventually(`${stream.id} open`, () => stream.state === "open");
const hasEnded = (stream: Stream) => eventually(`${stream.id} ended`, () => stream.state === "ended");

describe("streams of one client that shares connections", () => {
  test("begun in one moment travel on one connection, each to its end", async () => {
    await using bench = await start();
    const ids = Array.from({ length: 20 }, (_, index) => `s${index}`);
    for (const id of ids) await bench.ingest.create(id);
    const { client, requests } = openClient(bench.url);
    const streams = ids.map((id) => client.stream(id));
    const texts = Promise.all(streams.map((stream) => stream.text()));
    await Promise.all(streams.map(isOpen));
    expect(bench.edge.counts()).toMatchObject({ connections: 1, subscribers: 20 });
    for (const id of ids) await bench.ingest.publish(id, ["text of ", id], "completed");
    expect(await texts).toEqual(ids.map((id) => `text of ${id}`));
    expect(streams.every(({ end }) => end?.status === "completed")).toBe(true);
    expect(requests).toEqual([`GET /streams/events?${ids.map((id) => `stream_id=${id}`).join("&")}`]);
  });

  test.each([true, false])(
    "learn how a stream ended whose chunks have expired, on a connection that is shared: %s",
    async (share) => {
      await using bench = await start();
      await publishNew(bench, ["s"], ["1", "2"], "errored");
      bench.cache.dropChunks("s");
      bench.ingest.answerRebuilds(async () => {
        return { kind: "restored", firstAvailable: 4, head: 3, status: "errored" };
      });
      const stream = createClient({ edgeUrl: bench.url, share }).stream("s");
      const { gaps } = record(stream);
      await hasEnded(stream);
      expect(gaps).toEqual([expect.objectContaining({ from: 1, to: 3 })]);
      expect(stream.end).toEqual({ status: "errored", chunk: null });
    },
  );

  test("come and go on the open connection, each from where it wants", async () => {
    await using bench = await start();
    await publishNew(bench, ["a", "b"], ["1", "2", "3"]);
    const { client, requests } = openClient(bench.url);
    const first = client.stream("a");
    const seen = record(first);
    await isOpen(first);
    const second = client.stream("b", { from: 2 });
    const seenOfSecond = record(second);
    await eventually("the second", () => second.cursor === 3);
    second.close();
    const again = client.stream("b", { from: 3 });
    const seenAgain = record(again);
    await eventually("it again", () => again.cursor === 3);
    await bench.ingest.publish("b", ["4"]);
    await eventually("it to go on", () => again.cursor === 4);
    expect(requests.map((request) => request.replace(/connections\/[^/]+/, "connections/_"))).toEqual([
      "GET /streams/events?stream_id=a",
      "POST /connections/_/streams/b?from=2",
      "DELETE /connections/_/streams/b",
      "POST /connections/_/streams/b?from=3",
    ]);
    expect([seen.sequences, seenOfSecond.sequences, seenAgain.sequences]).toEqual([
      [1, 2, 3],
      [2, 3],
      [3, 4],
    ]);
    first.close();
    again.close();
  });

  test("take no frame for their own that was meant for an earlier reader of the same stream", async () => {
    await using bench = await start();
    await publishNew(bench, ["a", "b"], ["1", "2"]);
    let letDrop = (): void => {};
    const mayDrop = new Promise<void>((resolve) => (letDrop = resolve));
    const { client, requests } = openClient(bench.url, {
      fetch: async (url, init) => {
        if (init?.method === "DELETE") await mayDrop;
        return fetch(url, init);
      },
    });
    const [other, before] = [client.stream("a"), client.stream("b")];
    record(other);
    record(before);
    await eventually("both", () => other.cursor === 2 && before.cursor === 2);
    before.close();
    const after = client.stream("b");
    const seen = record(after);
    await bench.ingest.publish("b", ["3"]);
    await bench.ingest.publish("a", ["3"]);
    await eventually("what came meanwhile", () => other.cursor === 3);
    letDrop();
    await eventually("all", () => after.cursor === 3);
    expect(seen).toEqual({ sequences: [1, 2, 3], gaps: [] });
    expect(requests.map((request) => request.split(" ")[0])).toEqual(["GET", "DELETE", "POST"]);
    other.close();
    after.close();
  });

  test("that is read twice is read on two connections", async () => {
    await using bench = await start();
    await bench.ingest.create("a");
    const { client } = openClient(bench.url);
    const both = [client.stream("a"), client.stream("a")];
    const texts = Promise.all(both.map((stream) => stream.text()));
    await Promise.all(both.map(isOpen));
    expect(bench.edge.counts().connections).toBe(2);
    await bench.ingest.publish("a", ["x"], "completed");
    expect(await texts).toEqual(["x", "x"]);
  });

  test("see no hole where an element was refused, so nothing is asked again", async () => {
    await using bench = await start();
    for (const id of ["a", "b"]) await bench.ingest.create(id);
    const { client, requests } = openClient(bench.url);
    const stream = client.stream("a");
    const seen = record(stream);
    const other = client.stream("b");
    record(other);
    await bench.ingest.publish("a", ["1"]);
    await bench.ingest.reject("a");
    await bench.ingest.publish("a", ["3"]);
    await eventually("all", () => stream.cursor === 3);
    await bench.ingest.reject("a");
    await bench.ingest.publish("a", [], "completed");
    await hasEnded(stream);
    expect(seen).toEqual({ sequences: [1, 3, 5], gaps: [] });
    expect(requests).toHaveLength(1);
    other.close();
  });

  test("that don't exist, or not any more, fail alone; one that had ended ends", async () => {
    await using bench = await start();
    for (const id of ["a", "b", "deleted"]) await bench.ingest.create(id);
    await bench.ingest.publish("b", ["1"], "completed");
    await bench.ingest.delete("deleted");
    const { client, requests } = openClient(bench.url);
    const [open, ended, deleted, unknown] = [
      client.stream("a"),
      client.stream("b", { from: 3 }),
      client.stream("deleted"),
      client.stream("nowhere"),
    ];
    for (const stream of [open, ended, deleted, unknown]) record(stream);
    await eventually("their outcomes", () => unknown.state === "failed" && deleted.state === "failed");
    await hasEnded(ended);
    expect(unknown.error).toMatchObject({ code: "STREAM_NOT_FOUND" });
    expect(deleted.error).toMatchObject({ code: "STREAM_DELETED" });
    const late = client.stream("nowhere-either");
    record(late);
    await eventually("the late one", () => late.state === "failed");
    expect(late.error).toMatchObject({ code: "STREAM_NOT_FOUND", status: 404 });
    expect(open.state).toBe("open");
    expect(requests).toHaveLength(2);
    open.close();
  });

  test("of which nothing more is to come when it comes again are told why, each by itself", async () => {
    await using bench = await start();
    await publishNew(bench, ["a"], ["1"], "completed");
    await publishNew(bench, ["b"], ["1"]);
    await bench.ingest.delete("b");
    const { client, requests } = openClient(bench.url);
    const [ended, deleted] = [client.stream("a", { from: 3 }), client.stream("b", { from: 2 })];
    for (const stream of [ended, deleted]) record(stream);
    await hasEnded(ended);
    await eventually("the other", () => deleted.state === "failed");
    expect(deleted.error).toMatchObject({ code: "STREAM_DELETED", status: 410 });
    expect(requests[0]).toBe("GET /streams/events?stream_id=a&stream_id=b @ 2.1");
  });

  test("that can't be added are had by opening the connection anew, where all go on", async () => {
    await using bench = await start();
    await publishNew(bench, ["a", "b"], ["1", "2"]);
    const { client, requests } = openClient(bench.url, {
      fetch: async (url, init) =>
        init?.method === "POST" ? new Response(null, { status: 405 }) : fetch(url, init),
    });
    const first = client.stream("a");
    const seen = record(first);
    await eventually("the first", () => first.cursor === 2);
    const second = client.stream("b");
    const seenOfSecond = record(second);
    await eventually("the second", () => second.cursor === 2);
    expect(requests.at(-1)).toBe("GET /streams/events?stream_id=a&stream_id=b @ 2.0");
    expect([seen.sequences, seenOfSecond.sequences]).toEqual([
      [1, 2],
      [1, 2],
    ]);
    first.close();
    second.close();
  });

  test("wait for one that isn't there yet without holding up the others", async () => {
    await using bench = await start({ unknownTtlMs: 5 });
    await publishNew(bench, ["a"], ["1"]);
    const { client } = openClient(bench.url);
    const here = client.stream("a");
    record(here);
    await isOpen(here);
    const late = client.stream("b", { wait: 20 });
    const text = late.text();
    await eventually("the other", () => here.cursor === 1);
    await publishNew(bench, ["b"], ["x"], "completed");
    expect(await text).toBe("x");
    here.close();
  });

  test("don't wait for one that is read slowly, and it gets all in its time", async () => {
    await using bench = await start({ pageChunks: 1_000 });
    for (const id of ["slow", "fast"]) await bench.ingest.create(id);
    const { client, requests } = openClient(bench.url);
    const slow = client.stream("slow")[Symbol.asyncIterator]();
    const fast = client.stream("fast");
    const seen = record(fast);
    await bench.ingest.publish("slow", ["first"]);
    expect((await slow.next()).value).toMatchObject({ sequence: 1 });
    for (let count = 0; count < 5; count++)
      await bench.ingest.publish("slow", Array<string>(1_000).fill("x"));
    await bench.ingest.publish("fast", ["1"]);
    await eventually("it to be taken off", () => requests.some((request) => /^DELETE .*slow$/.test(request)));
    await bench.ingest.publish("fast", [], "completed");
    await hasEnded(fast);
    expect(seen.sequences).toEqual([1, 2]);
    await bench.ingest.publish("slow", [], "completed");
    const sequences: number[] = [];
    for (let next = await slow.next(); next.done !== true; next = await slow.next())
      sequences.push(next.value.sequence);
    expect(sequences).toEqual(sequencesTo(5_002, 2));
  });

  test("ask for their tail on a connection of their own, and join nobody", async () => {
    await using bench = await start();
    await publishNew(bench, ["a"], ["1", "2", "3"]);
    const { client, requests } = openClient(bench.url);
    const stream = client.stream("a", { tail: 1 });
    const seen = record(stream);
    await eventually("the tail", () => stream.cursor === 3);
    expect(seen.sequences).toEqual([3]);
    expect(requests).toEqual(["GET /streams/a/events?tail=1"]);
    stream.close();
  });

  test("lose nothing and see nothing twice while connections are cut, streams come and go, and servers change", async () => {
    const world = memoryWorld();
    await using first = await start({}, world);
    await using second = await start({}, world);
    const benches = [first, second];
    let attempts = 0;
    const { client } = openClient(first.url, {
      fetch: (url, init) => {
        const target = benches[attempts++ % 2]!;
        return fetch(url.replace(first.url, target.url), init);
      },
    });
    for (const id of LETTERS) await first.ingest.create(id);
    const streams = new Map(LETTERS.map((id) => [id, client.stream(id)]));
    const seen = new Map([...streams].map(([id, stream]) => [id, record(stream)]));
    const counts = new Map<string, number>();
    for (let round = 0; round < 300; round++) {
      for (const id of LETTERS)
        if (Math.random() < 0.6) counts.set(id, (await first.ingest.publish(id, ["x"])).last);
      if (Math.random() < 0.1) for (const bench of benches) bench.cutAll();
      if (Math.random() < 0.1) {
        // Leaves, and goes on after what it has.
        const id = LETTERS[Math.floor(Math.random() * LETTERS.length)]!;
        const before = streams.get(id)!;
        before.close();
        const after = client.stream(id, { from: (before.cursor ?? 0) + 1 });
        streams.set(id, after);
        after.on("chunk", ({ sequence }) => seen.get(id)!.sequences.push(sequence));
        after.on("gap", (gap) => seen.get(id)!.gaps.push(gap));
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (const id of LETTERS) counts.set(id, (await first.ingest.publish(id, [], "completed")).last);
    await Promise.all([...streams.values()].map(hasEnded));
    for (const id of LETTERS)
      expect(seen.get(id)).toEqual({ sequences: sequencesTo(counts.get(id) ?? 0), gaps: [] });
  });
});

describe("the original client API, as this library has it", () => {
  test("calls back for each chunk, and at the end, through cuts", async () => {
    await using bench = await start();
    await bench.ingest.create("stream-id-123");
    const sequences: number[] = [];
    const errors: Error[] = [];
    let isComplete = false;
    const client = new StreamClient(
      bench.url,
      ({ sequence }) => sequences.push(sequence),
      (error) => errors.push(error),
      () => (isComplete = true),
    );
    await client.start("stream-id-123");
    for (let count = 1; count <= 20; count++) {
      await bench.ingest.publish("stream-id-123", ["x"]);
      if (count % 7 === 0) bench.cutAll();
    }
    await bench.ingest.publish("stream-id-123", [], "completed");
    await eventually("the end", () => isComplete);
    expect(sequences).toEqual(sequencesTo(21));
    expect(errors).toEqual([]);
  });

  test("begins after a token, and tells of a stream that ended with an error", async () => {
    await using bench = await start();
    await publishNew(bench, ["s"], ["a", "b"], "errored");
    const sequences: number[] = [];
    const error = await new Promise<Error>((resolve, reject) => {
      const onChunk = ({ sequence }: { sequence: number }): void => void sequences.push(sequence);
      const client = new StreamClient(bench.url, onChunk, resolve, () => reject(new Error("complete")));
      void client.start("s", btoa("s:1"));
    });
    expect(error.message).toContain("errored");
    expect(sequences).toEqual([2, 3]);
  });
});

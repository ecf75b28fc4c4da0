import { memoryEdgePorts, memoryWorld, type MemoryWorld } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { eventually, sequencesTo, startBench } from "./edge-bench.ts";
import { chunksOf, connectionIdOf, has, noticesOf, sequencesOf, urlOf } from "./multiplexed.ts";

function start(settings: Partial<EdgeSettings> = {}, world?: MemoryWorld) {
  return startBench(memoryEdgePorts(world), settings);
}

async function startWith(ids: readonly string[], settings: Partial<EdgeSettings> = {}) {
  const bench = await start(settings);
  bench.ingest.answerRebuilds(async () => ({ kind: "unknown" }));
  for (const id of ids) await bench.ingest.create(id);
  return bench;
}

describe("a connection of many streams", () => {
  test("carries what was there, what comes, and each end, and ends with the last of them", async () => {
    await using bench = await startWith(["a", "b"]);
    await bench.ingest.publish("a", ["1", "2"]);
    const reader = await bench.open("/stream?stream_id=a&stream_id=b");
    await has(reader, "a", 2);
    await bench.ingest.publish("b", ["1"], "completed");
    await reader.until("b's end", () => noticesOf(reader).length === 1);
    expect(noticesOf(reader)).toMatchObject([{ stream_id: "b", state: "ended", sequence: 2 }]);
    await bench.ingest.publish("a", ["3"]);
    await has(reader, "a", 3);
    expect(reader.hasEnded).toBe(false);
    await bench.ingest.publish("a", [], "errored");
    await reader.untilEnd();
    expect(sequencesOf(reader, "a")).toEqual(sequencesTo(4));
    expect(sequencesOf(reader, "b")).toEqual([1, 2]);
    expect(noticesOf(reader).at(-1)).toMatchObject({ stream_id: "a", state: "ended", sequence: 4 });
  });

  test("opens with its id, in header and event, and sends frames without ids, then the position of all", async () => {
    await using bench = await startWith(["a", "b"]);
    await bench.ingest.publish("a", Array<string>(40).fill("x"));
    const reader = await bench.open(urlOf(["a", "b"]));
    await reader.until("the position", () => reader.lastEventId === "14.0");
    expect(reader.events[0]).toMatchObject({ event: "connection" });
    expect(JSON.parse(reader.events[0]?.data ?? "")).toEqual({
      connection_id: connectionIdOf(reader),
      streams: ["a", "b"],
    });
    expect(reader.events.every(({ id }) => id === undefined)).toBe(true);
    await bench.ingest.publish("b", ["x"]);
    await reader.until("the next position", () => reader.lastEventId === "14.1");
  });

  test("resumes by its position, at any server, each stream where it was", async () => {
    const world = memoryWorld();
    await using first = await start({}, world);
    await using second = await start({}, world);
    const ids = ["a", "b", "c"];
    for (const id of ids) await first.ingest.create(id);
    await first.ingest.publish("a", ["1", "2"]);
    await first.ingest.publish("b", ["1"], "completed");
    const reader = await first.open(urlOf(ids));
    await reader.until("the position", () => reader.lastEventId === "2.2.0");
    reader.close();
    await first.ingest.publish("a", ["3"]);
    await first.ingest.publish("c", ["1"]);
    const resumed = await second.open(urlOf(ids), { "Last-Event-ID": reader.lastEventId });
    await has(resumed, "c", 1);
    await has(resumed, "a", 3);
    expect(sequencesOf(resumed, "a")).toEqual([3]);
    expect(sequencesOf(resumed, "b")).toEqual([]);
    const notice = { stream_id: "b", state: "ended", sequence: 2, status: "completed" };
    expect(noticesOf(resumed)).toEqual([notice]);
  });

  test("loses nothing over reconnects at random moments under load", async () => {
    await using bench = await startWith(["a", "b", "c", "d"]);
    const ids = ["a", "b", "c", "d"];
    const got = new Map(ids.map((id) => [id, [] as number[]]));
    let isOver = false;
    let connections = 0;
    const reading = (async () => {
      let lastEventId = "";
      for (;;) {
        const reader = await bench.open(
          urlOf(ids),
          lastEventId === "" ? {} : { "Last-Event-ID": lastEventId },
        );
        connections++;
        if (reader.status === 204) return;
        const stopAt = Math.random() * 30;
        await reader.until("some", () => reader.hasEnded || isOver || reader.events.length > stopAt);
        if (isOver) await reader.untilEnd();
        reader.close();
        lastEventId = reader.lastEventId || lastEventId;
        for (const { stream_id, sequence } of chunksOf(reader)) {
          const sequences = got.get(stream_id) ?? [];
          // Within one write frames may come again: dropped by stream and sequence, as the page says.
          if (sequence > (sequences.at(-1) ?? 0)) sequences.push(sequence);
        }
      }
    })();
    for (let round = 0; round < 150; round++) {
      for (const id of ids) if (Math.random() < 0.7) await bench.ingest.publish(id, ["x"]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const lengths = await Promise.all(ids.map((id) => bench.ingest.publish(id, [], "completed")));
    isOver = true;
    await reading;
    for (const [index, id] of ids.entries())
      expect(got.get(id)).toEqual(sequencesTo(lengths[index]?.last ?? 0));
    expect(connections).toBeGreaterThan(3);
  });

  test("is answered 204 where it comes again and all is told", async () => {
    await using bench = await startWith(["a", "b"]);
    await bench.ingest.publish("a", [], "completed");
    await bench.ingest.publish("b", [], "completed");
    const reader = await bench.open(urlOf(["a", "b"]));
    await reader.untilEnd();
    expect(reader.lastEventId).toBe("1.1");
    const again = await fetch(bench.url + urlOf(["a", "b"]), { headers: { "Last-Event-ID": "1.1" } });
    expect(again.status).toBe(204);
  });

  test("takes a token for each stream, and begins the others as the query says", async () => {
    await using bench = await startWith(["a", "b"]);
    for (const id of ["a", "b"]) await bench.ingest.publish(id, ["1", "2", "3", "4"]);
    const reader = await bench.open(`${urlOf(["a", "b"])}&resume_token=${btoa("b:3")}&tail=2`);
    await has(reader, "a", 4);
    await has(reader, "b", 4);
    expect(sequencesOf(reader, "a")).toEqual([3, 4]);
    expect(sequencesOf(reader, "b")).toEqual([4]);
  });

  test("tells of an unknown stream and of a deleted one, and carries the others", async () => {
    await using bench = await startWith(["a", "gone"]);
    await bench.ingest.delete("gone");
    await bench.ingest.publish("a", ["1"]);
    const reader = await bench.open(urlOf(["none", "a", "gone"]));
    await has(reader, "a", 1);
    await reader.until("both", () => noticesOf(reader).length === 2);
    expect(noticesOf(reader)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ stream_id: "none", state: "refused", code: "STREAM_NOT_FOUND" }),
        expect.objectContaining({ stream_id: "gone", state: "refused", code: "STREAM_DELETED" }),
      ]),
    );
  });

  test("waits for a stream that isn't there yet, without holding up the others", async () => {
    await using bench = await startWith(["a"], { unknownTtlMs: 5 });
    await bench.ingest.publish("a", ["1"]);
    const reader = await bench.open(`${urlOf(["late", "a"])}&wait=20`);
    await has(reader, "a", 1);
    await bench.ingest.create("late");
    await bench.ingest.publish("late", ["1"]);
    await has(reader, "late", 1);
    expect(noticesOf(reader)).toEqual([]);
  });

  test.each([
    ["the same stream twice", urlOf(["a", "a"]), {}, "INVALID_REQUEST"],
    ["more than 64", urlOf(sequencesTo(65).map((number) => `s${number}`)), {}, "INVALID_REQUEST"],
    ["none", "/streams/events", {}, "INVALID_STREAM_ID"],
    ["a bad id", urlOf(["a", "a.b"]), {}, "INVALID_STREAM_ID"],
    ["a position of other streams", urlOf(["a", "b"]), { "Last-Event-ID": "1.2.3" }, "INVALID_REQUEST"],
    ["a token of another", `${urlOf(["a"])}&resume_token=${btoa("z:1")}`, {}, "INVALID_RESUME_TOKEN"],
  ])("is refused with 400 for %s", async (_what, path, headers: Record<string, string>, code) => {
    await using bench = await startWith(["a", "b"]);
    const response = await fetch(bench.url + path, { headers });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code });
  });

  test("isn't starved by one busy stream: nineteen short ones are replayed within its first pages", async () => {
    const ids = ["busy", ...sequencesTo(19).map((number) => `s${number}`)];
    await using bench = await startWith(ids, { pageChunks: 50 });
    for (let round = 0; round < 20; round++) await bench.ingest.publish("busy", Array<string>(250).fill("x"));
    for (const id of ids.slice(1)) await bench.ingest.publish(id, ["1", "2"]);
    const reader = await bench.open(urlOf(ids));
    await has(reader, "busy", 5_000);
    const order = chunksOf(reader).map(({ stream_id }) => stream_id);
    const lastOfOthers = Math.max(...ids.slice(1).map((id) => order.lastIndexOf(id)));
    expect(order.slice(0, lastOfOthers).filter((id) => id === "busy").length).toBeLessThanOrEqual(100);
    expect(sequencesOf(reader, "busy")).toEqual(sequencesTo(5_000));
  });

  test("goes lagging as a whole where its reader takes nothing, within the buffer, and has all in the end", async () => {
    await using bench = await startWith(["a", "b"], { bufferSize: 10, maxBufferBytes: 1024 * 1024 });
    const reader = await bench.open(urlOf(["a", "b"]));
    for (const id of ["a", "b"]) await bench.ingest.publish(id, ["live from here on"]);
    await reader.until("both streams", () => reader.ofEvent("text").length === 2);
    reader.response.pause();
    const large = "x".repeat(256 * 1024);
    for (let count = 0; count < 30; count++) {
      await bench.ingest.publish("a", [large]);
      await bench.ingest.publish("b", ["x"]);
    }
    await eventually("it to lag", async () => (await bench.metric("sluice_edge_lagging_total")) > 0);
    for (const id of ["a", "b"]) await bench.ingest.publish(id, [], "completed");
    reader.response.resume();
    await reader.untilEnd(10_000);
    for (const id of ["a", "b"]) expect(sequencesOf(reader, id)).toEqual(sequencesTo(32));
  }, 20_000);

  test("passes a refused element by the position alone, and tells of gaps with their stream", async () => {
    await using bench = await startWith(["a", "b"]);
    await bench.ingest.publish("a", ["1"]);
    await bench.ingest.reject("a");
    const reader = await bench.open(urlOf(["a", "b"]));
    await reader.until("the refused one", () => reader.lastEventId === "2.0");
    await bench.ingest.reject("b");
    await reader.until("the live one", () => reader.lastEventId === "2.1");
    expect(chunksOf(reader)).toHaveLength(1);
  });
});

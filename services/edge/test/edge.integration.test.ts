import { startNats, startRedis } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import { openRealBench } from "./real-bench.ts";
import { sequencesTo } from "./edge-bench.ts";
import { readAwhile } from "./joins.ts";

/** What the machine may take on top; less than a second interval. */
const MACHINE_SLACK_MS = 2_500;

describe("on real NATS and Redis, a reader", () => {
  test("loses nothing and gets nothing twice, whenever it joins a stream at full speed", async () => {
    await using nats = await startNats({ local: true });
    await using redis = await startRedis({ local: true });
    await using stand = await openRealBench(
      { natsUrl: nats.url, redisUrl: redis.url },
      { pageChunks: 16, maxHeldChunks: 64 },
    );
    const { bench } = stand;
    await bench.ingest.create("s");
    const readings: ReturnType<typeof readAwhile>[] = [];
    let published = 0;
    while (readings.length < 2_000) {
      const texts = sequencesTo(1 + Math.floor(Math.random() * 4)).map(String);
      await bench.ingest.publish("s", texts);
      published += texts.length;
      if (Math.random() < 0.5) readings.push(readAwhile(bench, "s", published));
    }
    await bench.ingest.publish("s", [], "completed");
    for (const { after, got, isWhole } of await Promise.all(readings)) {
      expect({ isWhole, got }).toEqual({ isWhole: true, got: sequencesTo(got.at(-1) ?? 0, after + 1) });
    }
  }, 90_000);

  test("gets a large chunk, which travels announced without its bytes, and the end after it", async () => {
    await using nats = await startNats({ local: true });
    await using redis = await startRedis({ local: true });
    await using stand = await openRealBench({ natsUrl: nats.url, redisUrl: redis.url });
    const { bench } = stand;
    await bench.ingest.create("s");
    const reader = await bench.open("/stream?stream_id=s");
    await reader.until("the opening", () => reader.retries.length === 1);
    await bench.ingest.publish("s", ["x".repeat(1_200_000)]);
    await bench.ingest.publish("s", [], "completed");
    await reader.untilEnd();
    expect(reader.sequences).toEqual([1, 2]);
    const again = await fetch(`${bench.url}/stream?stream_id=s&resume_token=${btoa("s:2")}`);
    expect(again.status).toBe(204);
  });

  test("of 20 has everything though one live message in ten is lost, the last one too", async () => {
    await using nats = await startNats({ local: true });
    await using redis = await startRedis({ local: true });
    await using stand = await openRealBench(
      { natsUrl: nats.url, redisUrl: redis.url },
      { headCheckIntervalMs: 600_000 },
    );
    const { bench } = stand;
    const { ingest } = bench;
    await ingest.create("s");
    ingest.say = (range) => (range.isTerminal || Math.random() < 0.1 ? null : range);
    const readers = await Promise.all(sequencesTo(20).map(() => bench.open("/streams/s/events")));
    for (let count = 0; count < 500; count++) await ingest.publish("s", ["x"]);
    await ingest.publish("s", [], "completed");
    ingest.announce("s", 501, { hasEnded: true });
    for (const reader of readers) {
      await reader.untilEnd();
      expect(reader.sequences).toEqual(sequencesTo(501));
    }
    expect(await bench.metric("sluice_edge_repairs_total")).toBeGreaterThan(0);
  });

  test("is told the end within the check interval where the last message is lost and nobody announces it", async () => {
    await using nats = await startNats({ local: true });
    await using redis = await startRedis({ local: true });
    const intervalMs = 3_000;
    await using stand = await openRealBench(
      { natsUrl: nats.url, redisUrl: redis.url },
      { headCheckIntervalMs: intervalMs },
    );
    const { ingest } = stand.bench;
    await ingest.create("s");
    const reader = await stand.bench.open("/streams/s/events");
    await ingest.publish("s", ["a"]);
    await reader.untilSequence(1);
    ingest.say = () => null;
    await ingest.publish("s", [], "completed");
    await reader.untilEnd(intervalMs + MACHINE_SLACK_MS);
    expect(reader.sequences).toEqual([1, 2]);
  });

  test("of many streams gets one added through another server, and polls of pages see every chunk once", async () => {
    await using nats = await startNats({ local: true });
    await using redis = await startRedis({ local: true });
    const servers = { natsUrl: nats.url, redisUrl: redis.url };
    await using first = await openRealBench(servers);
    await using second = await openRealBench(servers);
    const { ingest } = first.bench;
    for (const id of ["a", "b"]) await ingest.create(id);
    const reader = await first.bench.open("/streams/events?stream_id=a");
    await reader.until("the opening", () => reader.lastEventId === "0");
    const id = String(reader.response.headers["sluice-connection-id"]);
    const path = `${second.bench.url}/connections/${id}/streams`;
    expect((await fetch(`${path}/b`, { method: "POST" })).status).toBe(204);
    expect((await fetch(`${path}/b`, { method: "POST" })).status).toBe(409);
    const polled: number[] = [];
    const polling = (async () => {
      for (let after = 0, isOver = false; !isOver;) {
        const page = await fetch(`${second.bench.url}/streams/b/chunks?after=${after}&wait=20`);
        const told = (await page.json()) as {
          chunks: { sequence: number }[];
          next_after: number;
          status: string;
        };
        polled.push(...told.chunks.map(({ sequence }) => sequence));
        after = told.next_after;
        isOver = told.status !== "open" && after === 101;
      }
    })();
    for (let count = 0; count < 100; count++) await ingest.publish("b", ["x"]);
    await ingest.publish("b", [], "completed");
    await polling;
    expect(polled).toEqual(sequencesTo(101));
    await reader.until("b's end", () => reader.ofEvent("stream").some(({ data }) => data.includes("ended")));
    const ofB = reader.events.filter(({ event }) => event === "text" || event === "complete");
    expect(ofB.map(({ data }) => (JSON.parse(data) as { sequence: number }).sequence)).toEqual(
      sequencesTo(101),
    );
    expect((await fetch(`${path}/b`, { method: "DELETE" })).status).toBe(404);
  });
});

import { startNats, startRedis } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import { openRealBench, type RealBench } from "./real-bench.ts";
import { sequencesTo } from "./test-bench.ts";

async function readAwhile(bench: RealBench, published: number) {
  const after = Math.max(0, published - Math.floor(Math.random() * 60));
  const reader = await bench.open("/streams/s/events", { "Last-Event-ID": String(after) });
  await reader.until(
    "enough",
    () => reader.hasEnded || (reader.sequences.at(-1) ?? 0) > published + 20,
    20_000,
  );
  reader.close();
  return { after, got: reader.sequences };
}

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
    while (readings.length < 300) {
      const texts = sequencesTo(1 + Math.floor(Math.random() * 4)).map(String);
      await bench.ingest.publish("s", texts);
      published += texts.length;
      if (Math.random() < 0.5) readings.push(readAwhile(bench, published));
    }
    await bench.ingest.publish("s", [], "completed");
    for (const { after, got } of await Promise.all(readings)) {
      expect(got).toEqual(sequencesTo(got.at(-1) ?? 0, after + 1));
    }
  });

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
});

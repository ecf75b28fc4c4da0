import { startFaultProxy, startNats, startRedis } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import { openRealBench } from "./real-bench.ts";
import { eventually } from "./edge-bench.ts";

describe("a reader", () => {
  test("has what was said while NATS was away, once it is back", async () => {
    await using nats = await startNats({ local: true });
    await using redis = await startRedis({ local: true });
    await using stand = await openRealBench(
      { natsUrl: nats.url, redisUrl: redis.url },
      { headCheckIntervalMs: 600_000 },
    );
    const { bench } = stand;
    await bench.ingest.create("s");
    const reader = await bench.open("/streams/s/events");
    await bench.ingest.publish("s", ["a"]);
    await reader.untilSequence(1);
    await nats.kill();
    await eventually("the edge to notice", () => bench.edge.problem() !== null);
    await bench.ingest.publish("s", ["b"]);
    await nats.restart();
    await reader.untilSequence(2);
    expect(reader.sequences).toEqual([1, 2]);
  });

  test("is refused with 503 in bounded time while Redis is away, and served when it is back", async () => {
    await using nats = await startNats({ local: true });
    await using redis = await startRedis({ local: true });
    await using stand = await openRealBench({ natsUrl: nats.url, redisUrl: redis.url });
    const { bench } = stand;
    await bench.ingest.create("s");
    await redis.pause();
    const begunMs = performance.now();
    const refused = await fetch(`${bench.url}/streams/s/events`);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).not.toBeNull();
    expect(performance.now() - begunMs).toBeLessThan(4_000);
    await redis.resume();
    await eventually("it to be served", async () => {
      const response = await fetch(`${bench.url}/streams/s/events`, { method: "HEAD" });
      return response.status === 200;
    });
  });
});

describe("an edge", () => {
  test("is to be restarted where its own connection to Redis is dead while new ones are answered, and only then", async () => {
    await using nats = await startNats({ local: true });
    await using redis = await startRedis({ local: true });
    await using cable = await startFaultProxy(redis.url);
    const redisUrl = cable.url.replace("nats://", "redis://");
    const settings = { readTimeoutMs: 500, readStallMs: 1_000, readStuckMs: 2_000 };
    await using stand = await openRealBench({ natsUrl: nats.url, redisUrl }, settings, redis.url);
    const { bench } = stand;
    await bench.ingest.create("s");
    await bench.ingest.publish("s", ["a"]);
    const read = async (): Promise<number> => (await fetch(`${bench.url}/streams/s/chunks`)).status;
    expect(await read()).toBe(200);

    // Everybody's Redis is away: that is no reason.
    await redis.pause();
    expect(await read()).toBe(503);
    await eventually("it not to be ready", () => bench.edge.problem()?.includes("no read") === true, 20_000);
    await redis.resume();
    await eventually("it to be ready", () => bench.edge.problem() === null, 20_000);
    expect(bench.edge.fatalProblem()).toBeNull();

    cable.pause();
    expect(await read()).toBe(503);
    await eventually("it to say so", () => bench.edge.fatalProblem() !== null, 30_000);
    cable.resume();
    await eventually("it to be well", () => bench.edge.fatalProblem() === null, 20_000);
    await eventually("it to serve", async () => (await read()) === 200, 20_000);
  });
});

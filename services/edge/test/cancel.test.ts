import { partitionOf, type CancelAnswer } from "@sluice/core";
import { memoryEdgePorts } from "@sluice/testing";
import { describe, expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { eventually, startBench } from "./edge-bench.ts";

async function start(settings: Partial<EdgeSettings> = {}) {
  const ports = memoryEdgePorts();
  const bench = await startBench(ports, settings);
  await bench.ingest.create("s");
  const asked: string[] = [];
  const answering = ports.cancelFeed.answerCancels(
    partitionOf("s", ports.partitions),
    async (streamId): Promise<CancelAnswer> => {
      asked.push(streamId);
      return streamId === "s" ? { kind: "asked" } : { kind: "unknown" };
    },
  );
  const counts = ports.readerPresence;
  return { bench, asked, answering, counts };
}

test("a reader stops its stream at any edge", async () => {
  const { bench: opened, asked } = await start();
  await using bench = opened;
  const response = await fetch(`${bench.url}/streams/s/cancel`, { method: "POST" });
  expect([response.status, await response.json()]).toEqual([202, { stream_id: "s", status: "open" }]);
  expect(asked).toEqual(["s"]);
});

test("a browser's page may do so from an origin that is listed, and from no other", async () => {
  const { bench: opened } = await start({ corsOrigins: "*, https://chat.example" });
  await using bench = opened;
  const preflight = await fetch(`${bench.url}/streams/s/cancel`, {
    method: "OPTIONS",
    headers: {
      origin: "https://chat.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,sluice-client",
    },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-origin")).toBe("https://chat.example");
  expect(preflight.headers.get("access-control-allow-methods")).toContain("POST");
  const allowed = preflight.headers.get("access-control-allow-headers")?.toLowerCase() ?? "";
  expect(allowed.split(",")).toEqual(expect.arrayContaining(["content-type", "sluice-client"]));
  const headers = { origin: "https://chat.example", "content-type": "application/json" };
  const response = await fetch(`${bench.url}/streams/s/cancel`, { method: "POST", headers, body: "{}" });
  expect(response.status).toBe(202);
  expect(response.headers.get("access-control-allow-origin")).toBe("https://chat.example");
  const other = { ...headers, origin: "https://evil.example" };
  const refused = await fetch(`${bench.url}/streams/s/cancel`, {
    method: "POST",
    headers: other,
    body: "{}",
  });
  expect(refused.status).toBe(403);
  expect(await refused.json()).toMatchObject({ code: "CROSS_SITE" });
});

test("whether the stream can't be stopped, or isn't there, is told as a problem", async () => {
  const { bench: opened, answering } = await start();
  await using bench = opened;
  answering.close();
  const response = await fetch(`${bench.url}/streams/s/cancel`, { method: "POST" });
  expect(response.status).toBe(503);
  expect(response.headers.get("content-type")).toContain("application/problem+json");
  expect(await response.json()).toMatchObject({ code: "CACHE_UNAVAILABLE" });
});

describe("readers", () => {
  test("are counted by stream, long polls included, and no more when they have gone: which cancels nothing", async () => {
    const { bench: opened, asked, counts } = await start();
    await using bench = opened;
    await bench.ingest.create("t");
    const count = async (streamId: string): Promise<number | undefined> =>
      (await counts.countReaders([streamId])).get(streamId);
    expect(await count("s")).toBe(0);
    const one = await bench.open("/streams/s/events");
    const many = await bench.open("/stream?stream_id=s&stream_id=t");
    await eventually("both to follow", async () => (await count("s")) === 2);
    expect(await count("t")).toBe(1);
    const polling = fetch(`${bench.url}/streams/t/chunks?wait=20`);
    await eventually("the poll to wait", async () => (await count("t")) === 2);
    one.close();
    many.close();
    await eventually("both to be gone", async () => (await count("s")) === 0);
    await bench.ingest.publish("t", ["x"]);
    await (await polling).text();
    await eventually("the poll to be over", async () => (await count("t")) === 0);
    expect(asked).toEqual([]);
  });
});

import { memoryEdgePorts } from "@sluice/testing";
import { expect, test } from "vitest";
import type { EdgeSettings } from "../src/config.ts";
import { eventually, startBench } from "./edge-bench.ts";
import { noticesOf } from "./multiplexed.ts";

async function startWithOne(settings: Partial<EdgeSettings>) {
  const bench = await startBench(memoryEdgePorts(), settings);
  bench.ingest.answerRebuilds(async () => ({ kind: "unknown" }));
  await bench.ingest.create("s");
  await bench.ingest.publish("s", ["a"]);
  return bench;
}

test("an id that nobody knows counts as one more connection of its address", async () => {
  await using bench = await startWithOne({ connectsPerSecond: 0.001, connectBurst: 4 });
  const ids = ["s", "none-1", "none-2", "none-3"].map((id) => `stream_id=${id}`).join("&");
  const reader = await bench.open(`/streams/events?${ids}`);
  await reader.until(
    "refusals",
    () => noticesOf(reader).filter(({ state }) => state === "refused").length === 3,
  );
  expect((await fetch(`${bench.url}/streams/s/events`)).status).toBe(503);
  for (const path of ["/streams/none-4/chunks", "/streams/none-4/cancel"]) {
    const method = path.endsWith("cancel") ? "POST" : "GET";
    expect((await fetch(bench.url + path, { method })).status).toBe(503);
  }
});

test("only so many may wait for streams that nobody knows yet, and a place is free again when one has gone", async () => {
  await using bench = await startWithOne({ maxWaiting: 2 });
  const abort = new AbortController();
  const paths = ["/streams/none-1/events?wait=30", "/streams/none-2/chunks?wait=30"];
  const waiting = paths.map((path) => fetch(bench.url + path, { signal: abort.signal }).catch(() => null));
  await eventually("two wait", () => bench.edge.counts().streams === 2);
  for (const path of [
    "/streams/none-3/events?wait=30",
    "/streams/none-3/chunks?wait=30",
    "/streams/events?stream_id=none-3&wait=30",
  ]) {
    await eventually("a third is refused", async () => (await fetch(bench.url + path)).status === 503);
  }
  expect((await fetch(`${bench.url}/streams/none-3/events`)).status).toBe(404);
  abort.abort();
  await Promise.all(waiting);
  await eventually("nobody waits", () => bench.edge.counts().streams === 0);
  const late = bench.open("/streams/late/events?wait=30");
  await bench.ingest.create("late");
  await bench.ingest.publish("late", ["a"]);
  await (await late).untilSequence(1);
});

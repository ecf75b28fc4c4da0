import { memoryIngestPorts } from "@sluice/testing";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { DEADLINE, lifeBench } from "./endings-bench.ts";

const text = Buffer.from('{"type":"Text","content":"a"}');

/** A new owner that is bringing streams back after a flush, and can't get on with the first of them until `letOn` is called. */
async function owned(streamIds: readonly string[], settings = {}) {
  const bench = lifeBench(memoryIngestPorts());
  const { promise, resolve: letOn } = Promise.withResolvers<void>();
  const broughtBack = new Set<string>();
  const { partitionLog: log } = bench;
  const readStream = log.readStream.bind(log);
  log.readStream = async function* (streamId, ...args) {
    broughtBack.add(streamId);
    if (streamIds.includes(streamId)) await promise;
    yield* readStream(streamId, ...args);
  };
  for (const streamId of streamIds) bench.log.publishBare(streamId, text);
  const last = bench.log.messages.at(-1)!.timestampMs;
  // They are older than anything that may still be in the cache: nothing but the list tells of them.
  await expect.poll(() => Date.now() - last, DEADLINE).toBeGreaterThan(100);
  const { ingester } = bench.ingest({ chunkTtlSeconds: 0.05, cancelGraceMs: 60_000, ...settings });
  await expect.poll(() => broughtBack.size, DEADLINE).toBe(1);
  return { bench, ingester, broughtBack, letOn };
}

test.each([
  ["to be looked after", {}],
  ["to be ended as idle, too", { idleLimitSeconds: 0.05 }],
])("while streams are brought back after a flush %s, another can be cancelled", async (_, settings) => {
  const { bench, letOn } = await owned(["slow", "slower"], settings);
  await using _bench = bench;
  bench.log.publishBare("s", text);
  await bench.cancelFeed.requestCancel(0, "s", DEADLINE.timeout);
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject({ code: "CANCELLED" });
  letOn();
});

test("an owner that is bringing streams back hands over at once, and begins with no further one", async () => {
  const { bench, ingester, broughtBack, letOn } = await owned(["slow", "slower"]);
  await using _ = bench;
  await ingester.close();
  expect(await bench.leases.owners()).toEqual([null]);
  letOn();
  const [first] = [...broughtBack];
  await expect.poll(() => bench.cache.readInfo(first!), DEADLINE).not.toBeNull();
  await setImmediate();
  expect(broughtBack.size).toBe(1);
});

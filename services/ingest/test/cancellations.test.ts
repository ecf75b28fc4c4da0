import { StreamError, type CancelAnswer, type CancelReason, type StreamLog } from "@sluice/core";
import { MemoryStreamLog } from "@sluice/memory";
import { waitUntil } from "@sluice/servers";
import { memoryIngestPorts, type MemoryIngestPorts } from "@sluice/testing";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { CANCEL_GRACE_MS, DEADLINE, lifeBench, type LifeBench, samples } from "./endings-bench.ts";

type Bench = MemoryIngestPorts & LifeBench;

const start = () => lifeBench(memoryIngestPorts());

const TIMEOUT_MS = 5_000;
/** Much faster than anybody waits for. */
const PACE_MS = 5;

const cancelled = { type: "Error", code: "CANCELLED" };
const text = Buffer.from('{"type":"Text","content":"a"}');

/** Once an owner answers. */
async function cancel(bench: Bench, streamId: string): Promise<CancelAnswer | null> {
  let answer: CancelAnswer | null = null;
  const ask = async (): Promise<unknown> =>
    (answer ??= await bench.cancelFeed.requestCancel(0, streamId, TIMEOUT_MS));
  await expect.poll(ask, DEADLINE).not.toBeNull();
  return answer;
}

/** A producer that hears what it is told, and does as `obey` does. */
function listen(bench: Bench, streamId: string, obey: () => unknown = () => {}): CancelReason[] {
  const heard: CancelReason[] = [];
  const listening = bench.cancelFeed.onCancel(streamId, (reason) => {
    heard.push(reason);
    obey();
  });
  bench.closeAfterwards(listening);
  return heard;
}

test("a stream without a producer that hears ends at once, as cancelled", async () => {
  await using bench = start();
  const { registry } = bench.ingest({ cancelGraceMs: 60_000 });
  bench.log.publishBare("s", text);
  expect(await cancel(bench, "s")).toEqual({ kind: "asked" });
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject(cancelled);
  expect(await bench.cache.readInfo("s")).toMatchObject({
    head: { status: "cancelled", sequence: 2 },
    cancelRequest: { reason: "requested" },
  });
  expect(await samples(registry, "ends_published_total")).toMatchObject([
    { labels: { code: "CANCELLED" }, value: 1 },
  ]);
});

test("a stream is cancelled before its first chunk", async () => {
  await using bench = start();
  bench.ingest({ cancelGraceMs: 60_000 });
  const { handle } = await bench.producer().manager.createStream({ streamId: "s" });
  expect(await cancel(bench, "s")).toEqual({ kind: "asked" });
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject(cancelled);
  await expect(handle.sendText("too late")).rejects.toMatchObject({ code: "STREAM_ENDED" });
});

test("a stream that its producer has ended is not cancelled: who asks learns how it ended", async () => {
  await using bench = start();
  bench.ingest();
  const { handle } = await bench.producer().manager.createStream({ streamId: "s" });
  await handle.sendComplete();
  await expect.poll(() => bench.endOf("s"), DEADLINE).not.toBeNull();
  expect(await cancel(bench, "s")).toEqual({ kind: "ended", status: "completed" });
  expect(await bench.cache.readInfo("s")).toMatchObject({ cancelRequest: null, head: { sequence: 1 } });
});

test("a wish that is repeated ends its stream once, and is answered to the last", async () => {
  await using bench = start();
  bench.ingest();
  bench.log.publishBare("s", text);
  const answers = await Promise.all([1, 2, 3].map(() => cancel(bench, "s")));
  for (const answer of answers) {
    expect([{ kind: "asked" }, { kind: "ended", status: "cancelled" }]).toContainEqual(answer);
  }
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject(cancelled);
  expect(await cancel(bench, "s")).toEqual({ kind: "ended", status: "cancelled" });
  expect(bench.log.messages).toHaveLength(2);
});

test("a producer that hears it ends the stream in its own words, within the time it is given", async () => {
  await using bench = start();
  bench.ingest({ cancelGraceMs: 60_000 });
  const { handle } = await bench.producer().manager.createStream({ streamId: "s" });
  const heard = listen(bench, "s", () => void handle.sendError("I stop.", "CANCELLED"));
  await cancel(bench, "s");
  await expect
    .poll(() => bench.endOf("s"), DEADLINE)
    .toEqual({ type: "Error", code: "CANCELLED", error: "I stop." });
  expect(heard[0]).toBe("requested");
  const count = heard.length;
  await severalTicks(bench);
  expect(heard).toHaveLength(count);
});

test("a stream that ends while the wish is being recorded is told of no more", async () => {
  await using bench = start();
  bench.ingest({ cancelGraceMs: 60_000 });
  bench.log.publishBare("s", text);
  await expect.poll(() => bench.cache.readInfo("s"), DEADLINE).not.toBeNull();
  const record = bench.cache.requestCancel.bind(bench.cache);
  bench.cache.requestCancel = async (streamId, wish) => {
    const status = await record(streamId, wish);
    if (streamId !== "s") return status;
    bench.log.publishBare("s", Buffer.from('{"type":"Complete"}'));
    await waitUntil("the end", async () => (await bench.endOf("s")) !== null, { timeoutMs: TIMEOUT_MS });
    return status;
  };
  const told: string[] = [];
  const tell = bench.cancelFeed.tellProducer.bind(bench.cancelFeed);
  bench.cancelFeed.tellProducer = (streamId, reason) => {
    told.push(streamId);
    return tell(streamId, reason);
  };
  expect(await cancel(bench, "s")).toEqual({ kind: "asked" });
  await severalTicks(bench);
  expect(told.filter((streamId) => streamId === "s").length).toBeLessThan(3);
});

test("a producer that hears it and goes on is overruled when the time it is given is over, not before", async () => {
  await using bench = start();
  bench.ingest();
  const { handle } = await bench.producer().manager.createStream({ streamId: "s" });
  const heard = listen(bench, "s");
  const sendOn = async (): Promise<void> => {
    for (;;) {
      await handle.sendText("on and on");
      await delay(PACE_MS);
    }
  };
  const refused = sendOn().catch((error: unknown) => error);
  const askedMs = performance.now();
  await cancel(bench, "s");
  await expect.poll(() => bench.endOf("s"), { ...DEADLINE, interval: 5 }).toMatchObject(cancelled);
  expect(performance.now() - askedMs).toBeGreaterThanOrEqual(CANCEL_GRACE_MS);
  expect(heard.length).toBeGreaterThan(1);
  expect(await refused).toMatchObject({ code: "STREAM_ENDED" });
});

test("a producer that comes after the wish hears it, too", async () => {
  await using bench = start();
  // Whatever ingest writes, somebody was faster: so the stream is still there when the producer comes.
  const racing = racingLog(bench, 3);
  bench.ingest({ cancelGraceMs: 60_000 }, { streamLog: racing });
  bench.log.publishBare("s", text);
  await cancel(bench, "s");
  const heard = listen(bench, "s");
  await expect.poll(() => heard, DEADLINE).toEqual(expect.arrayContaining(["requested"]));
});

test("a chunk in flight wins over the end, which comes after it", async () => {
  await using bench = start();
  bench.ingest({ cancelGraceMs: 60_000 }, { streamLog: racingLog(bench, 2) });
  bench.log.publishBare("s", text);
  await cancel(bench, "s");
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject(cancelled);
  expect(await bench.cache.readInfo("s")).toMatchObject({ head: { sequence: 4 }, chunkCount: 4 });
});

test("a stream that only the log knows is brought back and cancelled; one that nobody knows is unknown", async () => {
  await using bench = start();
  bench.ingest({ cancelGraceMs: 60_000 });
  bench.log.publishBare("s", text);
  await expect.poll(() => bench.cache.readInfo("s"), DEADLINE).not.toBeNull();
  bench.cache.dropMeta("s");
  expect(await cancel(bench, "s")).toEqual({ kind: "asked" });
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject(cancelled);
  expect(await cancel(bench, "nobody")).toEqual({ kind: "unknown" });
});

test("a wish outlives its owner: the next one finds it in the record", async () => {
  await using bench = start();
  const { ingester } = bench.ingest({ cancelGraceMs: 60_000 });
  await bench.producer().manager.createStream({ streamId: "s" });
  const listening = bench.cancelFeed.onCancel("s", () => {});
  await cancel(bench, "s");
  await ingester.close();
  expect(await bench.cache.readInfo("s")).toMatchObject({ cancelRequest: { reason: "requested" } });
  listening.close();
  bench.ingest({ cancelGraceMs: 60_000 });
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject(cancelled);
});

test("a wish outlives its record while its owner lives", async () => {
  await using bench = start();
  bench.ingest();
  const { handle } = await bench.producer().manager.createStream({ streamId: "s" });
  await handle.sendText("a");
  const heard = listen(bench, "s");
  await cancel(bench, "s");
  bench.cache.flush();
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject(cancelled);
  expect(heard).not.toEqual([]);
});

test("two owners that don't know of each other cancel a stream once", async () => {
  await using bench = start();
  bench.ingest();
  bench.ingest({}, { leases: bench.openLeases() });
  await bench.producer().manager.createStream({ streamId: "s" });
  await Promise.all([cancel(bench, "s"), cancel(bench, "s")]);
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject(cancelled);
  await bench.producer().manager.createStream({ streamId: "later" });
  await cancel(bench, "later");
  await expect.poll(() => bench.endOf("later"), DEADLINE).toMatchObject(cancelled);
  expect(bench.log.messages.filter((message) => message.streamId === "s")).toHaveLength(2);
});

test("nothing ends while producers can't be told: they may be there", async () => {
  await using bench = start();
  bench.ingest({ cancelGraceMs: 1 });
  bench.log.publishBare("s", text);
  await expect.poll(() => bench.cache.readInfo("s"), DEADLINE).not.toBeNull();
  let tries = 0;
  bench.cancelFeed.tellProducer = async () => {
    tries++;
    throw new StreamError("CONNECTION", "cut off");
  };
  await cancel(bench, "s");
  await expect.poll(() => tries, DEADLINE).toBeGreaterThan(2);
  expect(await bench.cache.readInfo("s")).toMatchObject({ head: { status: "open" } });
});

test("an abandoned stream is cancelled, also by an owner that finds it; one that is read or doesn't ask for it is not", async () => {
  await using bench = start();
  const readers = bench.readerPresence.answerPresence((streamId) => (streamId === "read" ? 1 : 0));
  bench.closeAfterwards(readers);
  const options = { cancel_when_abandoned_seconds: 5 };
  const { manager } = bench.producer();
  const { ingester } = bench.ingest();
  await manager.createStream({ streamId: "found", options });
  await expect.poll(() => bench.cache.readInfo("found"), DEADLINE).not.toBeNull();
  await ingester.close();
  bench.ingest();
  await manager.createStream({ streamId: "abandoned", options });
  await manager.createStream({ streamId: "read", options });
  await manager.createStream({ streamId: "plain" });
  const heard = listen(bench, "abandoned");
  const startedMs = performance.now();
  for (const streamId of ["abandoned", "found"])
    await expect.poll(() => bench.endOf(streamId), { timeout: 15_000 }).toMatchObject(cancelled);
  expect(performance.now() - startedMs).toBeGreaterThan(4_500);
  expect(heard[0]).toBe("abandoned");
  for (const streamId of ["read", "plain"])
    expect(await bench.cache.readInfo(streamId)).toMatchObject({ head: { status: "open" } });
}, 20_000);

/** Until the owner has told the producer of another stream four times. */
async function severalTicks(bench: Bench): Promise<void> {
  bench.log.publishBare("other", text);
  const heard = listen(bench, "other");
  await cancel(bench, "other");
  await expect.poll(() => heard.length, DEADLINE).toBeGreaterThan(3);
}

/** Somebody else's message comes first, as often as is said. */
function racingLog(bench: Bench, times: number): StreamLog {
  let raced = 0;
  const racing = new MemoryStreamLog(bench.log);
  const append = racing.append.bind(racing);
  racing.append = (message) => {
    if (raced++ < times) bench.log.publishBare("s", text);
    return append(message);
  };
  return racing;
}

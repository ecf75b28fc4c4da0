import type { StreamInfo } from "@sluice/core";
import { MemoryLiveFeed, MemoryStreamLog } from "@sluice/memory";
import { memoryIngestPorts } from "@sluice/testing";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { BEAT_INTERVAL_MS, DEADLINE, PRODUCER_TIMEOUT_MS, samples, lifeBench } from "./endings-bench.ts";

const start = () => lifeBench(memoryIngestPorts());

const NEW_STREAM: StreamInfo = {
  streamId: "s",
  head: { sequence: 0, brokerSequence: 1, status: "open" },
  chunkCount: 0,
  byteCount: 0,
  createdMs: Date.now(),
  updatedMs: Date.now(),
  endedMs: null,
  options: null,
  beatIntervalMs: BEAT_INTERVAL_MS,
  cancelRequest: null,
};

const lost = { type: "Error", code: "PRODUCER_LOST" };

test("a stream whose producer dies ends as PRODUCER_LOST; one whose producer lives and is silent does not", async () => {
  await using bench = start();
  const { registry } = bench.ingest();
  const [dying, living] = [bench.producer(), bench.producer()];
  const { handle } = await dying.manager.createStream({ streamId: "dying" });
  await handle.sendText("half an ans");
  await living.manager.createStream({ streamId: "living" });
  dying.kill();
  await expect.poll(() => bench.endOf("dying"), DEADLINE).toMatchObject(lost);
  expect(await bench.cache.readInfo("living")).toMatchObject({ head: { status: "open" } });
  await expect(handle.sendText("wer")).rejects.toMatchObject({ code: "STREAM_ENDED" });
  expect(await samples(registry, "ends_published_total")).toMatchObject([
    { labels: { code: "PRODUCER_LOST" }, value: 1 },
  ]);
});

test("a producer that is heard again before its end has had its turn lives on", async () => {
  await using bench = start();
  bench.ingest();
  const [dead, producer] = [bench.producer(), bench.producer()];
  await dead.manager.createStream({ streamId: "dead" });
  dead.kill();
  // From then on nobody but who is to end it asks for a record.
  await expect.poll(() => bench.endOf("dead"), DEADLINE).toMatchObject(lost);
  const { handle } = await producer.manager.createStream({ streamId: "s" });
  await expect.poll(() => bench.cache.readInfo("s"), DEADLINE).not.toBeNull();
  const readInfo = bench.cache.readInfo.bind(bench.cache);
  const { promise: held, resolve: letOn } = Promise.withResolvers<void>();
  let [asked, answered, beats] = [0, 0, 0];
  bench.cache.readInfo = async (streamId) => {
    asked++;
    await held;
    answered++;
    return readInfo(streamId);
  };
  producer.kill();
  await expect.poll(() => asked, DEADLINE).toBeGreaterThan(0);
  bench.closeAfterwards(bench.openFeed().subscribeBeats(() => beats++));
  producer.revive();
  await expect.poll(() => beats, DEADLINE).toBeGreaterThan(1);
  letOn();
  await expect.poll(() => answered, DEADLINE).toBeGreaterThan(1);
  await setImmediate();
  expect((await handle.sendText("still here")).sequence).toBe(1);
});

test("a producer that dies before its first chunk is missed, too", async () => {
  await using bench = start();
  bench.ingest();
  const producer = bench.producer();
  await producer.manager.createStream({ streamId: "s" });
  producer.kill();
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject(lost);
});

test("a successor that opens the stream in time goes on with it, and its own death is noticed though the old one still beats", async () => {
  await using bench = start();
  bench.ingest();
  const [first, second, other] = [bench.producer(), bench.producer(), bench.producer()];
  await first.manager.createStream({ streamId: "s" });
  await other.manager.createStream({ streamId: "other" });
  other.kill();
  const successor = await second.manager.openStream("s");
  await successor.sendText("goes on");
  await expect.poll(() => bench.endOf("other"), DEADLINE).toMatchObject(lost);
  expect(await bench.cache.readInfo("s")).toMatchObject({ head: { status: "open", sequence: 1 } });
  second.kill();
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject(lost);
});

test("a new owner knows who is to be listened to, and counts silence from its own beginning", async () => {
  await using bench = start();
  const { ingester } = bench.ingest();
  const [dying, living] = [bench.producer(), bench.producer()];
  await dying.manager.createStream({ streamId: "dying" });
  await living.manager.createStream({ streamId: "living" });
  await expect
    .poll(() => bench.cache.readInfo("living"), DEADLINE)
    .toMatchObject({ beatIntervalMs: BEAT_INTERVAL_MS });
  await ingester.close();
  dying.kill();
  const takenOverMs = performance.now();
  bench.ingest();
  await expect.poll(() => bench.endOf("dying"), { ...DEADLINE, interval: 5 }).toMatchObject(lost);
  expect(performance.now() - takenOverMs).toBeGreaterThanOrEqual(PRODUCER_TIMEOUT_MS);
  expect(await bench.cache.readInfo("living")).toMatchObject({ head: { status: "open" } });
});

test("two owners that don't know of each other end a stream once", async () => {
  await using bench = start();
  bench.ingest();
  bench.ingest({}, { leases: bench.openLeases() });
  const producer = bench.producer();
  await producer.manager.createStream({ streamId: "s" });
  producer.kill();
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject(lost);
  // Once both have had another full silence to make it two.
  const later = bench.producer();
  await later.manager.createStream({ streamId: "later" });
  later.kill();
  await expect.poll(() => bench.endOf("later"), DEADLINE).toMatchObject(lost);
  expect(bench.log.messages.filter((message) => message.streamId === "s")).toHaveLength(2);
});

test("a handle that closes leaves the stream open: it has told the log that it beats no more", async () => {
  await using bench = start();
  bench.ingest();
  const [leaving, dying] = [bench.producer(), bench.producer()];
  const { handle } = await leaving.manager.createStream({ streamId: "left" });
  await handle.sendText("a");
  await handle.close();
  await dying.manager.createStream({ streamId: "dying" });
  dying.kill();
  await expect.poll(() => bench.endOf("dying"), DEADLINE).toMatchObject(lost);
  expect(await bench.cache.readInfo("left")).toMatchObject({
    head: { status: "open" },
    beatIntervalMs: null,
  });
  await (await leaving.manager.openStream("left")).sendComplete();
  await expect.poll(() => bench.endOf("left"), DEADLINE).toMatchObject({ type: "Complete" });
});

test("an owner without a connection takes its own deafness for nobody's death", async () => {
  await using bench = start();
  const liveFeed = new MemoryLiveFeed(bench.bus);
  bench.ingest({}, { liveFeed });
  const [deafTo, bare] = [bench.producer(), "bare"];
  await deafTo.manager.createStream({ streamId: "s" });
  await expect.poll(() => bench.cache.readInfo("s"), DEADLINE).not.toBeNull();
  liveFeed.disconnect();
  const deafSinceMs = performance.now();
  await expect.poll(() => performance.now() - deafSinceMs, DEADLINE).toBeGreaterThan(3 * PRODUCER_TIMEOUT_MS);
  liveFeed.reconnect();
  const dying = bench.producer();
  await dying.manager.createStream({ streamId: bare });
  dying.kill();
  await expect.poll(() => bench.endOf(bare), DEADLINE).toMatchObject(lost);
  expect(await bench.cache.readInfo("s")).toMatchObject({ head: { status: "open" } });
});

test("a stream that nobody writes ends after the idle limit, also one whose producer beats or whose record is lost", async () => {
  await using bench = start();
  bench.ingest({ idleLimitSeconds: 0.4 });
  bench.log.publishBare("bare", Buffer.from('{"type":"Text","content":"a"}'));
  bench.log.publishBare("lost", Buffer.from('{"type":"Text","content":"a"}'));
  await bench.producer().manager.createStream({ streamId: "beating" });
  await expect.poll(() => bench.cache.readInfo("lost"), DEADLINE).not.toBeNull();
  bench.cache.dropMeta("lost");
  for (const streamId of ["bare", "beating", "lost"]) {
    await expect
      .poll(() => bench.endOf(streamId), DEADLINE)
      .toMatchObject({ type: "Error", code: "IDLE_TIMEOUT" });
  }
  await expect.poll(() => bench.cache.readOpenStreams(0, null, 10)).toEqual([]);
});

test("a producer that dies as the cache is flushed is missed all the same: by the owner that goes on, and by the next one", async () => {
  await using bench = start();
  // Reading on from now alone would not find them: they are older than anything that may still be in the cache.
  const settings = { chunkTtlSeconds: 0.05 };
  const { ingester } = bench.ingest(settings);
  const [first, second] = [bench.producer(), bench.producer()];
  await first.manager.createStream({ streamId: "first" });
  await second.manager.createStream({ streamId: "second" });
  await expect.poll(() => bench.cache.readInfo("second"), DEADLINE).not.toBeNull();
  const last = bench.log.messages.at(-1)?.timestampMs ?? 0;
  await expect.poll(() => Date.now() - last, DEADLINE).toBeGreaterThan(100);
  first.kill();
  bench.cache.flush();
  await expect.poll(() => bench.endOf("first"), DEADLINE).toMatchObject(lost);

  await ingester.close();
  second.kill();
  bench.cache.flush();
  bench.ingest(settings);
  await expect.poll(() => bench.endOf("second"), DEADLINE).toMatchObject(lost);
});

test("a cache that was flushed lists the streams again that are open and silent, and no other", async () => {
  await using bench = start();
  const end = Buffer.from('{"type":"Complete"}');
  const text = Buffer.from('{"type":"Text","content":"a"}');
  for (const streamId of ["open", "ended", "malformed end"]) bench.log.publishBare(streamId, text);
  bench.log.publishBare("ended", end);
  bench.log.publishBare("malformed end", Buffer.from('{"type":"Complete","other":1}'));
  const { timestampMs } = bench.log.messages[0]!;
  await expect.poll(() => Date.now() - bench.log.messages.at(-1)!.timestampMs, DEADLINE).toBeGreaterThan(100);
  bench.ingest({ chunkTtlSeconds: 0.05 });
  await expect.poll(() => bench.cache.readCheckpoint(0), DEADLINE).not.toBeNull();
  expect(await bench.cache.readOpenStreams(0, null, 10)).toEqual([
    { streamId: "open", updatedMs: timestampMs },
  ]);
});

test("a chunk in flight wins over the end", async () => {
  await using bench = start();
  // Its messages come first: what a producer publishes in the very moment in which its stream is to be ended.
  const racing = new MemoryStreamLog(bench.log);
  const append = racing.append.bind(racing);
  racing.append = (message) => {
    if (raced++ < 3) bench.log.publishBare("s", Buffer.from('{"type":"Text","content":"first"}'));
    return append(message);
  };
  let raced = 0;
  bench.ingest({ idleLimitSeconds: 0.3 }, { streamLog: racing });
  bench.log.publishBare("s", Buffer.from('{"type":"Text","content":"a"}'));
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject({ code: "IDLE_TIMEOUT" });
  expect(await bench.cache.readInfo("s")).toMatchObject({ head: { sequence: 5 }, chunkCount: 5 });
});

test("a stream whose messages have been purged from the log can still be ended", async () => {
  await using bench = start();
  bench.ingest({ idleLimitSeconds: 0.3 });
  bench.log.publishBare("s", Buffer.from('[{"type":"Text","content":"a"},{"type":"Text","content":"b"}]'));
  await expect.poll(() => bench.cache.readInfo("s"), DEADLINE).toMatchObject({ head: { sequence: 2 } });
  bench.log.purgeBefore("s", Infinity);
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject({ code: "IDLE_TIMEOUT" });
  expect(await bench.cache.readInfo("s")).toMatchObject({ head: { sequence: 3 } });
  expect(bench.log.lastOf("s")).toMatchObject({ producerSequence: 3 });
});

test.each([
  ["chunks", { maxStreamChunks: 20 }, "A stream may have at most 20 chunks."],
  ["bytes", { maxStreamBytes: 2_000 }, "A stream may have at most 2000 bytes."],
  ["age", { maxStreamAgeSeconds: 0.2 }, "A stream may be at most 0.2 seconds old."],
] as const)(
  "a stream past its limit of %s ends, though its producer never pauses",
  async (_, settings, error) => {
    await using bench = start();
    bench.ingest(settings);
    const { handle } = await bench.producer().manager.createStream({ streamId: "s" });
    const sendOn = async (): Promise<void> => {
      for (;;) {
        await handle.sendText("on and on");
        // The memory log answers within the turn; a real one lets others have theirs.
        await setImmediate();
      }
    };
    await expect(sendOn()).rejects.toMatchObject({ code: "STREAM_ENDED" });
    await expect
      .poll(() => bench.endOf("s"), DEADLINE)
      .toMatchObject({ type: "Error", code: "STREAM_LIMIT", error });
    const info = (await bench.cache.readInfo("s")) as StreamInfo;
    expect(info.chunkCount).toBe(info.head.sequence);
  },
);

test("a stream past its limit that is written without expectations ends, too, once", async () => {
  await using bench = start();
  bench.ingest({ maxStreamChunks: 5 });
  const text = Buffer.from('{"type":"Text","content":"a"}');
  for (let index = 0; index < 40; index++) bench.log.publishBare("s", text);
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject({ code: "STREAM_LIMIT" });
  const errors = bench.log.messages.filter((message) =>
    Buffer.from(message.payload).includes("STREAM_LIMIT"),
  );
  expect(errors).toHaveLength(1);
});

test("a producer is listened to also where the owner hears of its stream only after somebody else wrote it down", async () => {
  await using bench = start();
  const producer = bench.producer();
  await producer.manager.createStream({ streamId: "s" });
  const [message] = bench.log.messages;
  await bench.cache.restore({
    partition: 0,
    streamId: "s",
    chunkTtlSeconds: 60,
    chunks: [],
    completion: {
      info: { ...NEW_STREAM, head: { ...NEW_STREAM.head, brokerSequence: message!.brokerSequence } },
      snapshotBrokerSequence: message!.brokerSequence,
      isProven: true,
    },
  });
  bench.ingest();
  producer.kill();
  await expect.poll(() => bench.endOf("s"), DEADLINE).toMatchObject(lost);
});

test("what was taken in, skipped and ended is counted, and the lag of each owned partition told", async () => {
  await using bench = start();
  const { registry } = bench.ingest();
  const { handle } = await bench.producer().manager.createStream({ streamId: "s" });
  await handle.sendComplete();
  await expect.poll(() => bench.endOf("s"), DEADLINE).not.toBeNull();
  const bytes = bench.log.messages.reduce((sum, message) => sum + message.payload.byteLength, 0);
  await expect.poll(() => samples(registry, "bytes_total")).toMatchObject([{ value: bytes }]);
  expect(await samples(registry, "ends_total")).toMatchObject([
    { labels: { status: "completed" }, value: 1 },
  ]);
  for (const name of ["partition_lag_messages", "partition_lag_seconds"]) {
    expect(await samples(registry, name)).toMatchObject([{ labels: { partition: 0 }, value: 0 }]);
  }
});

import { connectNats, type NatsLink } from "@sluice/broker-nats";
import { connectProducer, type StreamManager } from "@sluice/producer";
import { CHUNKS_STREAM, streamSubject } from "@sluice/protocol";
import { VerifyingReader } from "@sluice/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chunksKeyOf, createRedisProbe, metaKeyOf, type RedisProbe } from "./redis-probe.ts";
import { startStack, type Stack } from "./stack.ts";

const DUPLICATE_WINDOW_NANOSECONDS = 3_000_000_000;
const WAIT = { timeout: 30_000, interval: 50 };

let stack: Stack;
let redis: RedisProbe;
let link: NatsLink;
let producer: StreamManager;

beforeAll(async () => {
  stack = await startStack({ ingest: 1, edges: 1, env: { ingest: { CHUNK_TTL_SECONDS: "1" } } });
  redis = createRedisProbe(stack.redis.url);
  link = await connectNats({ servers: stack.natsUrl, name: "bare publishes" });
  // Before the first message: the server's timer for what it has is set by the window of that time.
  await link.jetStreamManager.streams.update(CHUNKS_STREAM, {
    duplicate_window: DUPLICATE_WINDOW_NANOSECONDS,
  });
  producer = await connectProducer({ servers: stack.natsUrl });
});
afterAll(async () => {
  await producer.close();
  await link.close();
  await redis[Symbol.asyncDispose]();
  await stack.stop();
});

/** Reads a stream to its end. */
async function read(streamId: string, after = 0): Promise<VerifyingReader> {
  const reader = new VerifyingReader({ edgeUrl: () => stack.edgeUrl, streamId, query: "wait=20", after });
  await reader.run();
  return reader;
}

const contentsOf = (reader: VerifyingReader): unknown[] =>
  reader.data.map((json) => (JSON.parse(json) as { chunk_type: { content?: string } }).chunk_type.content);

/** With a message id, and where it says so only as the next after a position. */
function publish(streamId: string, content: string, msgID: string, lastSubjectSequence?: number) {
  const expected = lastSubjectSequence === undefined ? {} : { expect: { lastSubjectSequence } };
  const payload = JSON.stringify({ type: "Text", content });
  return link.jetStream.publish(streamSubject(streamId), payload, { msgID, ...expected });
}

test("a repeated message takes no number, neither within the log's window for duplicates nor after it", async () => {
  const streamId = "repeated";
  const reading = read(streamId);
  const first = await publish(streamId, "a", "id-1");
  expect(await publish(streamId, "a", "id-1")).toMatchObject({ duplicate: true, seq: first.seq });
  const second = await publish(streamId, "b", "id-2", first.seq);

  const isForgotten = async (): Promise<boolean> => !(await publish("probe", "p", "id-probe")).duplicate;
  expect(await isForgotten()).toBe(true);
  await expect.poll(isForgotten, { ...WAIT, interval: 250 }).toBe(true);
  // What the window has forgotten is refused for its place in the stream.
  await expect(publish(streamId, "b", "id-2", first.seq)).rejects.toThrow(/wrong last sequence/);
  await publish(streamId, "c", "id-3", second.seq);
  await link.jetStream.publish(streamSubject(streamId), '{"type":"Complete"}');
  const reader = await reading;
  expect(contentsOf(reader)).toEqual(["a", "b", "c", undefined]);
  expect(reader).toMatchObject({ problems: [], gaps: [], endedWith: "complete" });
});

test("1,000 chunks of the same millisecond, in each of 20 streams, keep their order and their own numbers", async () => {
  const timestamp = Date.now();
  const contents = Array.from({ length: 1_000 }, (_, index) => `chunk ${index}`);
  const readers = await Promise.all(
    Array.from({ length: 20 }, async (_, number) => {
      const { streamId, handle } = await producer.createStream({ streamId: `same-millisecond-${number}` });
      const reading = read(streamId);
      const receipts = await handle.sendAll(
        contents.map((content) => ({ chunk_type: { type: "Text" as const, content }, timestamp })),
      );
      expect(receipts.map(({ sequence }) => sequence)).toEqual(contents.map((_content, index) => index + 1));
      await handle.sendComplete();
      return reading;
    }),
  );
  for (const reader of readers) {
    expect(contentsOf(reader)).toEqual([...contents, undefined]);
    expect(reader).toMatchObject({ problems: [], gaps: [] });
  }
  const stamps = readers.flatMap((reader) =>
    reader.data.slice(0, -1).map((json) => (JSON.parse(json) as { timestamp: number }).timestamp),
  );
  expect(new Set(stamps)).toEqual(new Set([timestamp]));
});

test("the outcome is known long after the chunks have expired: rebuilt while the log has them, then as a gap and the end", async () => {
  const { streamId, handle } = await producer.createStream({ streamId: "expired" });
  await handle.sendAll([1, 2, 3].map((index) => ({ type: "Text" as const, content: `${index}` })));
  await handle.sendComplete("done");
  const hasExpired = async (): Promise<boolean> => !(await redis.exists(chunksKeyOf(streamId)));
  await expect.poll(() => redis.head(streamId), WAIT).toBe(4);
  await expect.poll(hasExpired, WAIT).toBe(true);
  expect(await redis.exists(metaKeyOf(streamId))).toBe(true);

  expect(await read(streamId, 4)).toMatchObject({ chunks: 0, endedWith: "204", connections: 1 });
  expect(await read(streamId, 1)).toMatchObject({ chunks: 3, problems: [], gaps: [], endedWith: "complete" });

  await link.jetStreamManager.streams.purge(CHUNKS_STREAM, { filter: `chunk.*.${streamId}` });
  await expect.poll(hasExpired, WAIT).toBe(true);
  const late = await read(streamId, 1);
  expect(late).toMatchObject({ chunks: 0, problems: [], gaps: [{ from: 2, to: 4 }], endedWith: "204" });
});

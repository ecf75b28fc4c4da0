import { StreamError, type StreamStatus } from "@sluice/core";
import { MemoryLog, MemoryReceiptFeed, MemoryStreamLog } from "@sluice/memory";
import { beforeEach, expect, test } from "vitest";
import { StreamManager } from "./index.ts";

let log: MemoryLog;
let streamLog: MemoryStreamLog;
let manager: StreamManager;

beforeEach(() => {
  log = new MemoryLog();
  streamLog = new MemoryStreamLog(log);
  manager = new StreamManager({ log: streamLog, settings: { publishTimeoutMs: 200, retryDelayMs: 1 } });
});

test("a new stream is in the log at once: an empty message that carries its options", async () => {
  const { streamId } = await manager.createStream({ options: { cache_ttl: 60, custom: { user: "u1" } } });
  expect(streamId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(log.messages).toMatchObject([
    {
      streamId,
      expectedLastSequence: 0,
      producerSequence: 1,
      options: '{"cache_ttl":60,"custom":{"user":"u1"}}',
    },
  ]);
  expect(Buffer.from(log.messages[0]!.payload).toString()).toBe("[]");
});

test("an id can be given, but not twice, in whatever mode and after whatever end", async () => {
  const { handle } = await manager.createStream({ streamId: "s" });
  const again = (mode: "exclusive" | "shared") => manager.createStream({ streamId: "s", mode });
  await expect(again("exclusive")).rejects.toMatchObject({ code: "STREAM_EXISTS" });
  await expect(again("shared")).rejects.toMatchObject({ code: "STREAM_EXISTS" });
  await handle.sendComplete();
  await expect(again("exclusive")).rejects.toMatchObject({ code: "STREAM_EXISTS" });
  expect(log.messages.length).toBe(2);
});

test("an id of which only the record is left can't be given again; what the log still has it tells itself", async () => {
  const records = new Map<string, StreamStatus>([
    ["ended", "completed"],
    ["gone", "deleted"],
    ["mine", "open"],
  ]);
  const asked: string[] = [];
  const receiptFeed = new MemoryReceiptFeed();
  for (let partition = 0; partition < streamLog.partitions; partition++) {
    receiptFeed.answerHeads(partition, async (streamId) => {
      asked.push(streamId);
      const status = records.get(streamId);
      return status === undefined ? null : { sequence: 3, brokerSequence: 9, status };
    });
  }
  manager = new StreamManager({ log: streamLog, receiptFeed });
  await expect(manager.createStream({ streamId: "ended" })).rejects.toMatchObject({ code: "STREAM_EXISTS" });
  await expect(manager.createStream({ streamId: "gone" })).rejects.toMatchObject({ code: "STREAM_DELETED" });
  expect(log.messages).toEqual([]);

  await manager.createStream({ streamId: "new" });
  await manager.createStream();
  expect(asked).toEqual(["ended", "gone", "new"]);
  await new StreamManager({ log: streamLog }).createStream({ streamId: "mine", name: "the-creation" });
  await manager.createStream({ streamId: "mine", name: "the-creation" });
  await expect(manager.createStream({ streamId: "mine" })).rejects.toMatchObject({ code: "STREAM_EXISTS" });
});

test("a creation whose acknowledgement is lost succeeds all the same", async () => {
  streamLog.loseAcks(1);
  const { handle } = await manager.createStream({ streamId: "s" });
  expect((await handle.sendText("one")).sequence).toBe(1);
});

test("malformed ids and options are refused before anything is sent", async () => {
  await expect(manager.createStream({ streamId: "a.b" })).rejects.toMatchObject({
    code: "INVALID_STREAM_ID",
  });
  const custom = Object.fromEntries(
    Array.from({ length: 5 }, (_, index) => [`k${index}`, "v".repeat(1_000)]),
  );
  for (const bad of [custom, JSON.parse('{"__proto__":"x"}') as typeof custom]) {
    await expect(manager.createStream({ options: { custom: bad } })).rejects.toMatchObject({
      code: "UNPROCESSABLE",
      details: { field: expect.stringMatching(/^options/) as string },
    });
  }
  await expect(manager.createStream({ options: { cache_ttl: -1 } })).rejects.toMatchObject({
    code: "INVALID_REQUEST",
    details: { field: "options.cache_ttl" },
  });
  expect(log.messages.length).toBe(0);
});

test("an opened handle goes on with the numbers and fences the one before it at once", async () => {
  const { handle: old } = await manager.createStream({ streamId: "s" });
  await old.sendText("one");
  const current = await manager.openStream("s");
  await expect(old.sendText("too late")).rejects.toMatchObject({ code: "FENCED" });
  expect((await current.sendText("two")).sequence).toBe(2);
});

test("a shared handle fences nobody and is fenced by nobody", async () => {
  await manager.createStream({ streamId: "s", mode: "shared" });
  const a = await manager.openStream("s", { mode: "shared" });
  const b = await manager.openStream("s", { mode: "shared" });
  const sends = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? a : b).sendText(String(index)));
  const sequences = (await Promise.all(sends)).map(({ sequence }) => sequence ?? 0);
  expect(sequences.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
});

test("after a bare publish the numbers are unknown, but chunks are stored", async () => {
  log.publishBare("s", Buffer.from('{"type":"Text","content":"bare"}'));
  const handle = await manager.openStream("s");
  expect((await handle.sendText("two")).sequence).toBeNull();
});

test("what isn't there, has ended or was deleted can't be opened", async () => {
  await expect(manager.openStream("none")).rejects.toMatchObject({ code: "STREAM_NOT_FOUND" });
  const { handle } = await manager.createStream({ streamId: "ended" });
  await handle.sendError("broken", "E");
  await expect(manager.openStream("ended")).rejects.toMatchObject({ code: "STREAM_ENDED" });
  await expect(manager.openStream("ended", { mode: "shared" })).rejects.toMatchObject({
    code: "STREAM_ENDED",
  });
  await manager.deleteStream("ended");
  await expect(manager.openStream("ended")).rejects.toMatchObject({ code: "STREAM_DELETED" });
});

test("a delete leaves nothing but its tombstone, ends open handles, and the id can't be used again", async () => {
  const { handle } = await manager.createStream({ streamId: "s" });
  await handle.sendText("secret");
  await manager.deleteStream("s");
  expect(log.messages).toMatchObject([{ streamId: "s", control: "delete", producerSequence: 2 }]);
  await expect(handle.sendText("more")).rejects.toMatchObject({ code: "STREAM_DELETED" });
  await expect(manager.createStream({ streamId: "s" })).rejects.toMatchObject({ code: "STREAM_DELETED" });
  await manager.deleteStream("s");
  expect(log.messages.length).toBe(1);
  await expect(manager.deleteStream("none")).rejects.toMatchObject({ code: "STREAM_NOT_FOUND" });
});

test("a stream that is written at this very moment, or has ended, can be deleted", async () => {
  const { handle } = await manager.createStream({ streamId: "s" });
  const sends = [handle.sendText("a"), handle.sendComplete()];
  await Promise.all([manager.deleteStream("s"), ...sends.map((send) => send.catch(() => {}))]);
  expect(log.messages).toMatchObject([{ control: "delete" }]);
});

test("a delete that could not purge is completed by the next", async () => {
  await manager.createStream({ streamId: "s" });
  const purge = streamLog.purgeBefore.bind(streamLog);
  streamLog.purgeBefore = () => Promise.reject(new StreamError("LOG_UNAVAILABLE", "cut"));
  await expect(manager.deleteStream("s")).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
  streamLog.purgeBefore = purge;
  await manager.deleteStream("s");
  expect(log.messages).toMatchObject([{ control: "delete" }]);
});

test("without the log everything fails with LOG_UNAVAILABLE in bounded time", async () => {
  log.setReachable(false);
  await expect(manager.createStream()).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
  await expect(manager.openStream("s")).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
  await expect(manager.deleteStream("s")).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
});

test("closing settles all handles before it closes the log", async () => {
  const order: string[] = [];
  const own = new StreamManager({ log: streamLog, closeLog: async () => void order.push("log") });
  const { handle } = await own.createStream();
  const sent = handle.sendText("sent").then(() => order.push("sent"));
  await Promise.all([own.close(), own.close(), sent]);
  expect(order).toEqual(["sent", "log"]);
  await expect(own.createStream()).rejects.toMatchObject({ code: "CLOSED" });
});

import { MemoryCancelFeed, MemoryLog, MemoryReaderPresence, MemoryStreamLog } from "@sluice/memory";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StreamManager } from "./index.ts";

let log: MemoryLog;
let cancelFeed: MemoryCancelFeed;
let readerPresence: MemoryReaderPresence;
let manager: StreamManager;

beforeEach(() => {
  log = new MemoryLog();
  cancelFeed = new MemoryCancelFeed();
  readerPresence = new MemoryReaderPresence();
  manager = new StreamManager({ log: new MemoryStreamLog(log), cancelFeed, readerPresence });
});
afterEach(async () => {
  await manager.close();
  if (cancelFeed.openSubscriptions > 0) throw new Error("a subscription is left open");
});

const tell = (reason: "requested" | "abandoned" = "requested") => cancelFeed.tellProducer("s", reason);

test.each(["exclusive", "shared"] as const)(
  "the signal of an %s handle aborts before the first chunk, and the worker can still write its last words",
  async (mode) => {
    const { handle } = await manager.createStream({ streamId: "s", mode });
    const { signal } = handle;
    expect(signal.aborted).toBe(false);
    expect(await tell()).toBe(true);
    expect(signal.reason).toMatchObject({ code: "CANCELLED", details: { reason: "requested" } });
    await handle.sendText("last words");
    await handle.sendCancelled();
    const last = JSON.parse(Buffer.from(log.messages.at(-1)!.payload).toString()) as object;
    expect(last).toMatchObject({ chunk_type: { type: "Error", code: "CANCELLED" } });
    expect(await tell()).toBe(false);
  },
);

test("the signal says that the stream was abandoned, and being told again changes nothing", async () => {
  const { handle } = await manager.createStream({ streamId: "s" });
  const { signal } = handle;
  await tell("abandoned");
  await tell("requested");
  expect(signal.reason).toMatchObject({ code: "CANCELLED", details: { reason: "abandoned" } });
});

test("a handle whose worker never looks at the signal doesn't hear: its stream is ended without a grace time", async () => {
  const { handle } = await manager.createStream({ streamId: "s" });
  await handle.sendText("a");
  expect(await tell()).toBe(false);
  expect(handle.signal.aborted).toBe(false);
  expect(await tell()).toBe(true);
});

test("the signal aborts when others have ended the stream, or taken it over", async () => {
  const { handle } = await manager.createStream({ streamId: "s" });
  const { signal } = handle;
  const successor = await manager.resume("s");
  await expect(handle.sendText("late")).rejects.toMatchObject({ code: "FENCED" });
  expect(signal.reason).toMatchObject({ code: "FENCED" });
  const { signal: second } = successor;
  log.publishBare("s", Buffer.from('{"type":"Error","error":"stopped","code":"CANCELLED"}'));
  await expect(successor.sendText("late")).rejects.toMatchObject({ code: "STREAM_ENDED" });
  expect(second.reason).toMatchObject({ code: "STREAM_ENDED" });
});

test("a handle that was replaced hears of no cancel any more: only its successor is given time", async () => {
  const { handle } = await manager.createStream({ streamId: "s" });
  expect(handle.signal.aborted).toBe(false);
  await manager.resume("s");
  await expect(handle.sendText("late")).rejects.toMatchObject({ code: "FENCED" });
  expect(handle.signal.aborted).toBe(true);
  expect(cancelFeed.openSubscriptions).toBe(0);
  expect(await tell()).toBe(false);
});

test("a stream that its own worker ends doesn't abort the signal, and neither does closing", async () => {
  const { handle } = await manager.createStream({ streamId: "s" });
  const { signal } = handle;
  await handle.sendComplete();
  await handle.close();
  expect(signal.aborted).toBe(false);
  expect(cancelFeed.openSubscriptions).toBe(0);
  const { handle: unwatched } = await manager.createStream();
  await unwatched.close();
  expect(unwatched.signal.aborted).toBe(false);
  expect(cancelFeed.openSubscriptions).toBe(0);
});

test("a handle knows whether anybody reads its stream", async () => {
  const { handle } = await manager.createStream({ streamId: "s" });
  await expect(handle.isConnected()).rejects.toMatchObject({ code: "CONNECTION" });
  let readers = 0;
  const pod = readerPresence.answerPresence((streamId) => (streamId === "s" ? readers : 0));
  expect(await handle.isConnected()).toBe(false);
  readers = 2;
  expect(await handle.isConnected()).toBe(true);
  pod.close();
});

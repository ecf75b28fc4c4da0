import type { StreamLog } from "@sluice/core";
import { MemoryLog, MemoryStreamLog } from "@sluice/memory";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { StreamManager, type StreamHandle } from "./index.ts";

const BEAT_INTERVAL_MS = 1_000;

let log: MemoryLog;
let beats: { streamId: string; brokerSequence: number | null }[];
let manager: StreamManager;

function managerOf(streamLog: StreamLog, settings = {}): StreamManager {
  const publishBeat = (streamId: string, brokerSequence: number | null): void =>
    void beats.push({ streamId, brokerSequence });
  return new StreamManager({
    log: streamLog,
    liveFeed: { publishBeat },
    settings: { beatIntervalMs: BEAT_INTERVAL_MS, publishTimeoutMs: 200, retryDelayMs: 1, ...settings },
  });
}

/** Has a send fail without anybody knowing whether it is stored: its first attempt is lost, then the log is away. */
async function sendInDoubt(
  streamLog: MemoryStreamLog,
  handle: StreamHandle,
  lose: () => void,
): Promise<void> {
  lose();
  const append = streamLog.append.bind(streamLog);
  const appending = vi.spyOn(streamLog, "append").mockImplementationOnce(async (message) => {
    const outcome = await append(message);
    log.setReachable(false);
    return outcome;
  });
  await expect(handle.sendText("doubtful")).rejects.toMatchObject({ details: { may_be_stored: true } });
  appending.mockRestore();
  log.setReachable(true);
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  log = new MemoryLog();
  beats = [];
  manager = managerOf(new MemoryStreamLog(log));
});

afterEach(() => {
  vi.useRealTimers();
});

test("an open handle beats each interval after its last stored message, with that one's position", async () => {
  const { handle } = await manager.createStream({ streamId: "s" });
  vi.advanceTimersByTime(BEAT_INTERVAL_MS - 1);
  const { brokerSequence } = await handle.sendText("a sign of life, too");
  vi.advanceTimersByTime(BEAT_INTERVAL_MS - 1);
  expect(beats).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  await vi.advanceTimersByTimeAsync(BEAT_INTERVAL_MS);
  expect(beats).toEqual([
    { streamId: "s", brokerSequence },
    { streamId: "s", brokerSequence },
  ]);
});

test("after a send in doubt a handle beats with what the log has of it, whether that was stored or not", async () => {
  const streamLog = new MemoryStreamLog(log);
  const { handle } = await managerOf(streamLog, { publishTimeoutMs: 20 }).createStream({ streamId: "s" });
  for (const lose of [() => streamLog.loseMessages(1), () => streamLog.loseAcks(1)]) {
    await sendInDoubt(streamLog, handle, lose);
    beats = [];
    log.setReachable(false);
    await vi.advanceTimersByTimeAsync(BEAT_INTERVAL_MS);
    log.setReachable(true);
    await vi.advanceTimersByTimeAsync(BEAT_INTERVAL_MS);
    expect(beats.map(({ brokerSequence }) => brokerSequence)).toEqual([null, log.lastSequence]);
  }
  expect(log.messages).toHaveLength(2);
});

test("a handle in doubt that was replaced meanwhile doesn't beat for its successor", async () => {
  const streamLog = new MemoryStreamLog(log);
  const { handle } = await managerOf(streamLog, { publishTimeoutMs: 20 }).createStream({ streamId: "s" });
  await sendInDoubt(streamLog, handle, () => streamLog.loseMessages(1));
  await new StreamManager({ log: streamLog }).openStream("s");
  await vi.advanceTimersByTimeAsync(BEAT_INTERVAL_MS);
  expect(beats).toEqual([{ streamId: "s", brokerSequence: log.messages[0]!.brokerSequence }]);
});

test("every message of an exclusive handle promises to beat, from the creating one on; a shared one's does not", async () => {
  const { handle } = await manager.createStream({ streamId: "own" });
  await handle.sendText("a");
  await manager.openStream("own");
  const { handle: shared } = await manager.createStream({ streamId: "shared", mode: "shared" });
  await shared.sendText("a");
  expect(log.messages.map(({ streamId, beatIntervalMs }) => [streamId, beatIntervalMs])).toEqual([
    ["own", BEAT_INTERVAL_MS],
    ["own", BEAT_INTERVAL_MS],
    ["own", BEAT_INTERVAL_MS],
    ["shared", null],
    ["shared", null],
  ]);
});

test("a handle whose stream has ended beats no more", async () => {
  const { handle } = await manager.createStream({ streamId: "s" });
  await handle.sendComplete();
  vi.advanceTimersByTime(5 * BEAT_INTERVAL_MS);
  expect(beats).toEqual([]);
  await handle.close();
  expect(log.messages).toHaveLength(2);
});

test("closing an open stream tells the log that nobody beats any more, and takes no number", async () => {
  const { handle } = await manager.createStream({ streamId: "s" });
  await handle.sendText("a");
  await Promise.all([handle.close(), handle.close()]);
  vi.advanceTimersByTime(5 * BEAT_INTERVAL_MS);
  expect(beats).toEqual([]);
  expect(log.messages).toHaveLength(3);
  expect(log.messages.at(-1)).toMatchObject({ beatIntervalMs: null, payload: Buffer.from("[]") });
  expect(await (await manager.openStream("s")).sendText("b")).toMatchObject({ sequence: 2 });
});

test("a handle that was replaced closes without a word", async () => {
  const { handle: old } = await manager.createStream({ streamId: "s" });
  await manager.openStream("s");
  const before = log.messages.length;
  await old.close();
  expect(log.messages).toHaveLength(before);
  expect(log.messages.at(-1)).toMatchObject({ beatIntervalMs: BEAT_INTERVAL_MS });
});

test("from 90 % on no stream is created, while those that run go on to their end", async () => {
  const streamLog = new MemoryStreamLog(log);
  const { handle } = await manager.createStream({ streamId: "runs" });
  log.fullness = 0.9;
  const late = managerOf(streamLog);
  await expect(late.createStream({ streamId: "new" })).rejects.toMatchObject({ code: "STORAGE_FULL" });
  expect(log.lastOf("new")).toBeUndefined();
  await handle.sendText("still");
  await handle.sendComplete();
});

test("how full the log is is asked once for many streams", async () => {
  const streamLog = new MemoryStreamLog(log);
  const fullness = vi.spyOn(streamLog, "fullness");
  const creator = managerOf(streamLog);
  for (let index = 0; index < 50; index++) await creator.createStream();
  expect(fullness).toHaveBeenCalledTimes(1);
});

test("a log that doesn't say how full it is stops nobody from creating a stream", async () => {
  const streamLog = new MemoryStreamLog(log);
  vi.spyOn(streamLog, "fullness").mockImplementation(async () => {
    log.setReachable(false);
    try {
      return await MemoryStreamLog.prototype.fullness.call(streamLog);
    } finally {
      log.setReachable(true);
    }
  });
  await expect(managerOf(streamLog).createStream({ streamId: "s" })).resolves.toMatchObject({
    streamId: "s",
  });
});

import { StreamError, type ChunkType } from "@sluice/core";
import { MAX_CHUNK_BYTES } from "@sluice/protocol";
import { MemoryLog, MemoryStreamLog } from "@sluice/memory";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { StreamManager, type ProducerSettings, type StreamHandle } from "./index.ts";

let log: MemoryLog;
let streamLog: MemoryStreamLog;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  log = new MemoryLog();
  streamLog = new MemoryStreamLog(log);
});
afterEach(() => {
  if (vi.getTimerCount() > 0) throw new Error("a timer is left behind");
  vi.useRealTimers();
});

async function openHandle(settings: Partial<ProducerSettings> = {}): Promise<StreamHandle> {
  const { handle } = await new StreamManager({ log: streamLog, settings }).createStream({ streamId: "s" });
  return handle;
}

/** From now on publishes wait until the returned function is called. */
function holdAppends(): () => void {
  const gate = Promise.withResolvers<void>();
  const append = streamLog.append.bind(streamLog);
  streamLog.append = async (message) => {
    await gate.promise;
    return append(message);
  };
  return gate.resolve;
}

function payloads(): string[] {
  return log.messages.map(({ payload }) => Buffer.from(payload).toString());
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (error: unknown) => error,
  );
  return error instanceof StreamError ? error.code : `no StreamError but ${String(error)}`;
}

test("a send resolves with the chunk's place in the log and in the stream", async () => {
  const handle = await openHandle();
  const created = log.lastSequence;
  expect(await handle.sendText("one")).toEqual({ brokerSequence: created + 1, sequence: 1 });
  expect(await handle.sendJson({ two: [2] })).toEqual({ brokerSequence: created + 2, sequence: 2 });
  expect(await handle.sendProgress(3, null, "three")).toMatchObject({ sequence: 3 });
  expect(await handle.sendEvent("four", null)).toMatchObject({ sequence: 4 });
  expect(await handle.sendComplete("done")).toMatchObject({ sequence: 5 });
  expect(log.messages.map((message) => message.producerSequence)).toEqual([1, 1, 2, 3, 4, 5]);
  expect(payloads()[1]).toBe('{"chunk_type":{"type":"Text","content":"one"}}');
});

test("what is sent in one go, or while a publish is in flight, travels in one message", async () => {
  const handle = await openHandle();
  const release = holdAppends();
  const first = [handle.sendText("a"), handle.sendText("b")];
  await vi.advanceTimersByTimeAsync(0);
  const later = [handle.sendText("c"), handle.sendText("d"), handle.sendText("e")];
  release();
  const receipts = await Promise.all([...first, ...later]);
  expect(receipts.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
  expect(log.messages.length).toBe(3);
  expect(log.messages.map((message) => message.producerSequence)).toEqual([1, 1, 3]);
});

test("a message never carries more than 1,024 chunks or more bytes than the log takes", async () => {
  log = new MemoryLog({ maxMessageBytes: MAX_CHUNK_BYTES + 65_536 });
  streamLog = new MemoryStreamLog(log);
  const handle = await openHandle({ bufferSize: 5_000, bufferBytes: 64 * 1024 * 1024 });
  await Promise.all(Array.from({ length: 2_500 }, (_, index) => handle.sendText(String(index))));
  expect(payloads().map((payload) => (JSON.parse(payload) as unknown[]).length)).toEqual([
    0, 1024, 1024, 452,
  ]);
  await Promise.all([1, 2, 3].map(() => handle.sendText("x".repeat(400_000))));
  expect(log.messages.length).toBe(6);
});

test("chunks sent together are stored next to each other in one message, or not at all", async () => {
  const handle = await openHandle();
  const receipts = await handle.sendAll([
    { type: "Text", content: "a" },
    { chunk_type: { type: "Heartbeat" } },
    { type: "Text", content: "b" },
  ]);
  expect(receipts.map(({ sequence }) => sequence)).toEqual([1, null, 2]);
  expect(new Set(receipts.map(({ brokerSequence }) => brokerSequence)).size).toBe(1);
  const bad = handle.sendAll([{ type: "Text", content: "c" }, { type: "Text" } as unknown as ChunkType]);
  await expect(bad).rejects.toMatchObject({ code: "INVALID_CHUNK", details: { field: "content", index: 1 } });
  expect(log.messages.length).toBe(2);
  expect((await handle.sendText("d")).sequence).toBe(3);
  expect(
    await codeOf(handle.sendAll(Array.from({ length: 1_025 }, () => ({ type: "Heartbeat" as const })))),
  ).toBe("INVALID_REQUEST");
  expect(await handle.sendAll([])).toEqual([]);
});

test.each([
  [{ type: "Text" }, "content"],
  [{ type: "Nothing" }, "type"],
  [{ type: "Progress", current: -1 }, "current"],
  [{ type: "Json", data: () => 1 }, "chunk_type.data"],
  [{ chunk_type: { type: "Text", content: "" }, metadata: { cache_ttl: 0 } }, "metadata.cache_ttl"],
  [{ chunk_type: { type: "Text", content: "" }, typo: 1 }, "typo"],
])(
  "an invalid chunk is refused with the field that is wrong, and nothing is sent: %j",
  async (chunk, field) => {
    const handle = await openHandle();
    const sending = handle.send(chunk as unknown as ChunkType);
    await expect(sending).rejects.toMatchObject({ code: "INVALID_CHUNK", details: { field } });
    expect(log.messages.length).toBe(1);
  },
);

test("a chunk of more than 1 MiB is refused, one of just 1 MiB is stored", async () => {
  const handle = await openHandle();
  const around = '{"chunk_type":{"type":"Text","content":""}}'.length;
  const content = "x".repeat(MAX_CHUNK_BYTES - around);
  expect(await codeOf(handle.send({ type: "Text", content: `${content}x` }))).toBe("CHUNK_TOO_LARGE");
  expect((await handle.sendText(content)).sequence).toBe(1);
});

function contents(): string[] {
  const sent = payloads().flatMap((json) => (json === "" ? [] : (JSON.parse(json) as unknown)));
  return sent.flatMap((chunk) => {
    const { chunk_type: type } = chunk as { chunk_type: ChunkType };
    return type.type === "Text" ? [type.content] : [];
  });
}

test("rule 9: text above 1 MiB is cut between characters into several chunks", async () => {
  const handle = await openHandle();
  const text = '🔎"ü\n'.repeat(300_000);
  const { sequence } = await handle.sendText(text);
  expect(sequence).toBe(contents().length);
  expect(contents().join("") === text).toBe(true);
  for (const content of contents()) {
    expect(content.isWellFormed()).toBe(true);
    expect(Buffer.byteLength(JSON.stringify({ chunk_type: { type: "Text", content } }))).toBeLessThanOrEqual(
      MAX_CHUNK_BYTES,
    );
  }
});

test("rule 9: a character that is split over two sends, or two chunks of one, arrives whole", async () => {
  const handle = await openHandle();
  await handle.sendText("a\ud83d");
  await handle.sendEvent("between", { half: "\ud83d" });
  await handle.sendText("\udd0eb\ud83d");
  await handle.sendAll([
    { type: "Text", content: "\udd0ec\ud83d" },
    { chunk_type: { type: "Text", content: "\udd0e" } },
  ]);
  await handle.sendComplete();
  expect(contents()).toEqual(["a", "🔎b", "🔎c", "🔎"]);
  expect(payloads().join("")).toContain('"half":"\ufffd"');
});

test("rule 9: half a character that nothing completes is stored as U+FFFD before the end, or as the handle closes", async () => {
  const handle = await openHandle();
  await handle.sendText("a\ud83d");
  expect((await handle.sendComplete()).sequence).toBe(3);
  const shared = await new StreamManager({ log: streamLog }).createStream({ streamId: "other" });
  await shared.handle.sendText("b\ud83d");
  await shared.handle.close();
  expect(contents()).toEqual(["a", "\ufffd", "b", "\ufffd"]);
});

test("rule 9: a chunk that is refused changes nothing of what the half before it becomes", async () => {
  const handle = await openHandle();
  await handle.sendText("\ud83d");
  const refused = handle.sendAll([
    { type: "Text", content: "x" },
    { type: "Json", data: (() => 1) as never },
  ]);
  await expect(refused).rejects.toMatchObject({ details: { index: 1 } });
  await handle.sendText("\udd0e");
  expect(contents().join("")).toBe("🔎");
});

test("after the end nothing can be sent, not even while the end is on its way", async () => {
  const handle = await openHandle();
  const end = handle.sendComplete();
  expect(await codeOf(handle.sendText("late"))).toBe("STREAM_ENDED");
  await end;
  expect(await codeOf(handle.sendText("later"))).toBe("STREAM_ENDED");
  expect(log.messages.length).toBe(2);
});

test("an end in the midst of chunks sent together is refused", async () => {
  const handle = await openHandle();
  const sending = handle.sendAll([
    { type: "Complete", summary: null },
    { type: "Text", content: "late" },
  ]);
  await expect(sending).rejects.toMatchObject({ code: "STREAM_ENDED", details: { index: 1 } });
});

test("from 0.8 of the buffer on sends wait, and one that waits longer than ten seconds is surely not sent", async () => {
  const handle = await openHandle();
  const release = holdAppends();
  const inFlight = handle.sendText("in flight");
  await vi.advanceTimersByTimeAsync(0);
  const buffered = Array.from({ length: 80 }, (_, index) => handle.sendText(`b${index}`));
  expect(handle.bufferUsage()).toBe(0.8);
  const exceeded = codeOf(handle.sendText("too late"));
  expect(handle.bufferUsage()).toBe(0.8);
  await vi.advanceTimersByTimeAsync(9_000);
  const inTime = handle.sendText("in time");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await exceeded).toBe("BACKPRESSURE_EXCEEDED");
  release();
  await Promise.all([inFlight, ...buffered, inTime]);
  expect(payloads().join("")).not.toContain("too late");
  expect((await inTime).sequence).toBe(82);
  expect(handle.bufferUsage()).toBe(0);
});

test("what is above the threshold is room for chunks that are sent together, up to the buffer's end", async () => {
  const handle = await openHandle({ bufferSize: 10, backpressureThreshold: 0.5, backpressureTimeoutMs: 50 });
  const release = holdAppends();
  const inFlight = handle.sendText("in flight");
  await vi.advanceTimersByTimeAsync(0);
  const texts = (count: number): ChunkType[] =>
    Array.from({ length: count }, () => ({ type: "Text", content: "x" }));
  const four = handle.sendAll(texts(4));
  const tooMany = codeOf(handle.sendAll(texts(7)));
  await vi.advanceTimersByTimeAsync(50);
  expect(await tooMany).toBe("BACKPRESSURE_EXCEEDED");
  const six = handle.sendAll(texts(6));
  expect(handle.bufferUsage()).toBe(1);
  release();
  await Promise.all([inFlight, four, six]);
});

test("whoever asks is told when a send would not have to wait", async () => {
  const handle = await openHandle();
  await handle.ready();
  const release = holdAppends();
  const sends = Array.from({ length: 200 }, () => handle.sendText("x"));
  let isReady = false;
  const ready = handle.ready().then(() => (isReady = true));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(isReady).toBe(false);
  release();
  await Promise.all([ready, ...sends]);
});

test("bytes bound the buffer too", async () => {
  const handle = await openHandle({ bufferBytes: 1_000, backpressureTimeoutMs: 50 });
  const release = holdAppends();
  const inFlight = handle.sendText("in flight");
  await vi.advanceTimersByTimeAsync(0);
  const buffered = handle.sendText("x".repeat(900));
  const exceeded = codeOf(handle.sendText("y".repeat(900)));
  await vi.advanceTimersByTimeAsync(50);
  expect(await exceeded).toBe("BACKPRESSURE_EXCEEDED");
  release();
  await Promise.all([inFlight, buffered]);
});

test("a lost acknowledgement is found in the log: the chunk is stored once", async () => {
  const handle = await openHandle();
  streamLog.loseAcks(1);
  const [receipt] = await Promise.all([handle.sendText("once"), vi.advanceTimersByTimeAsync(1_000)]);
  expect(receipt.sequence).toBe(1);
  expect(log.messages.length).toBe(2);
});

test("a lost message is sent again as it was", async () => {
  const handle = await openHandle();
  const ids: string[] = [];
  const append = streamLog.append.bind(streamLog);
  streamLog.append = (message) => {
    ids.push(`${message.messageId} ${Buffer.from(message.payload).toString()}`);
    return append(message);
  };
  streamLog.loseMessages(3);
  await Promise.all([handle.sendText("once"), vi.advanceTimersByTimeAsync(5_000)]);
  expect(ids.length).toBe(4);
  expect(new Set(ids).size).toBe(1);
});

test("while the log is away a send fails within the time limit, and the handle works again after", async () => {
  const handle = await openHandle();
  log.setReachable(false);
  const failed = handle.sendText("failed").catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(0);
  const behind = handle.sendText("behind").catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(await failed).toMatchObject({ code: "LOG_UNAVAILABLE", details: { may_be_stored: false } });
  expect(await behind).toMatchObject({ code: "LOG_UNAVAILABLE", details: { may_be_stored: false } });
  log.setReachable(true);
  expect((await handle.sendText("again")).sequence).toBe(1);
});

test("a log that never answers holds a send no longer than the time limit", async () => {
  const handle = await openHandle();
  streamLog.append = () => new Promise(() => {});
  const failed = handle.sendText("failed").catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(await failed).toMatchObject({ code: "LOG_UNAVAILABLE", details: { may_be_stored: true } });
});

test("a chunk that failed in doubt but is stored keeps its place before the next", async () => {
  const handle = await openHandle({ publishTimeoutMs: 1_000 });
  streamLog.loseAcks(1);
  const lookup = streamLog.firstAfter.bind(streamLog);
  streamLog.firstAfter = () => Promise.reject(new StreamError("LOG_UNAVAILABLE", "cut"));
  const append = streamLog.append.bind(streamLog);
  let appends = 0;
  streamLog.append = (message) =>
    appends++ === 0 ? append(message) : Promise.reject(new StreamError("LOG_UNAVAILABLE", "cut"));
  const doubtful = handle.sendText("doubtful").catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await doubtful).toMatchObject({ code: "LOG_UNAVAILABLE", details: { may_be_stored: true } });
  streamLog.firstAfter = lookup;
  streamLog.append = append;
  expect((await handle.sendText("next")).sequence).toBe(2);
  expect(payloads().slice(1).join()).toMatch(/doubtful.*next/);
});

test("a full log refuses at once, and nothing that waited behind is stored without the refused chunk", async () => {
  const handle = await openHandle();
  log.isFull = true;
  const refused = codeOf(handle.sendText("refused"));
  await vi.advanceTimersByTimeAsync(0);
  expect(await refused).toBe("LOG_FULL");
  log.isFull = false;
  expect((await handle.sendText("later")).sequence).toBe(1);
});

test("a bare publish fences the handle", async () => {
  const handle = await openHandle();
  log.publishBare("s", Buffer.from('{"type":"Text","content":"bare"}'));
  expect(await codeOf(handle.sendText("mine"))).toBe("FENCED");
  expect(await codeOf(handle.sendText("mine"))).toBe("FENCED");
  expect(log.messages.length).toBe(2);
});

test("a stream that somebody else ended says so", async () => {
  const handle = await openHandle();
  log.publishBare("s", Buffer.from('{"type":"Error","error":"worker lost","code":"PRODUCER_LOST"}'));
  expect(await codeOf(handle.sendText("mine"))).toBe("STREAM_ENDED");
});

test("a stream whose messages have all aged out goes on with its numbers", async () => {
  const handle = await openHandle();
  await handle.sendText("one");
  log.ageOutBefore(log.lastSequence + 1);
  expect((await handle.sendText("two")).sequence).toBe(2);
});

test("a log that lost what it had acknowledged stops the handle", async () => {
  const handle = await openHandle();
  await handle.sendText("kept");
  const kept = log.lastSequence;
  await handle.sendText("lost");
  log.rollBackTo(kept);
  expect(await codeOf(handle.sendText("next"))).toBe("FENCED");
});

test("closing waits for what was sent, refuses what comes after, and can be repeated", async () => {
  const handle = await openHandle();
  const release = holdAppends();
  const sent = handle.sendText("sent");
  const closing = handle.close();
  expect(handle.close()).toBe(closing);
  expect(await codeOf(handle.sendText("late"))).toBe("CLOSED");
  release();
  await closing;
  expect((await sent).sequence).toBe(1);
});

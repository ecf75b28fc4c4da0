import { StreamError, type ChunkType, type JsonValue } from "@sluice/core";
import { decodeMessage, MAX_CHUNK_BYTES } from "@sluice/protocol";
import { MemoryCancelFeed, MemoryLog, MemoryReceiptFeed, MemoryStreamLog } from "@sluice/memory";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pipe } from "./pipe.ts";
import { StreamManager, type PipeItem, type StreamHandle } from "./index.ts";

let log: MemoryLog;
let streamLog: MemoryStreamLog;
let cancelFeed: MemoryCancelFeed;
let manager: StreamManager;
let handle: StreamHandle;

beforeEach(async () => {
  log = new MemoryLog();
  streamLog = new MemoryStreamLog(log);
  cancelFeed = new MemoryCancelFeed();
  const settings = { publishTimeoutMs: 50, retryDelayMs: 1 };
  manager = new StreamManager({ log: streamLog, cancelFeed, settings });
  ({ handle } = await manager.createStream({ streamId: "s" }));
});
afterEach(async () => {
  await manager.close();
});

/** Chunks as any reader finds them in the log. */
function stored(): ChunkType[] {
  const elements = log.messages.flatMap((message) => decodeMessage(message, MAX_CHUNK_BYTES).elements);
  return elements.map((element) => {
    if (element.kind === "rejected") throw new Error(element.reason);
    return (JSON.parse(`{${element.body}`) as { chunk_type: ChunkType }).chunk_type;
  });
}

const texts = (...contents: string[]): ChunkType[] => contents.map((content) => ({ type: "Text", content }));

/** Says so much, then does as it is told; knows whether it was hung up on. */
class Source implements AsyncIterable<PipeItem> {
  isHungUp = false;
  given = 0;
  readonly #items: readonly PipeItem[];
  readonly #after: () => Promise<void>;

  constructor(items: readonly PipeItem[], after: () => Promise<void> = () => Promise.resolve()) {
    this.#items = items;
    this.#after = after;
  }

  [Symbol.asyncIterator](): AsyncIterator<PipeItem> {
    return {
      next: async () => {
        const value = this.#items[this.given];
        if (value === undefined) await this.#after();
        else this.given++;
        return value === undefined ? { done: true, value } : { done: false, value };
      },
      return: async () => {
        this.isHungUp = true;
        return { done: true, value: undefined };
      },
    };
  }
}

const forever = (): Promise<void> => new Promise(() => undefined);

test("sends all that a source gives, in order, and ends the stream with Complete", async () => {
  const source = new Source([
    "Hel",
    { type: "Json", data: 1 },
    { chunk_type: { type: "Text", content: "lo" } },
  ]);
  expect(await handle.pipe(source, { summary: "done" })).toEqual({ status: "completed", chunks: 3 });
  expect(stored()).toEqual([
    ...texts("Hel"),
    { type: "Json", data: 1 },
    ...texts("lo"),
    { type: "Complete", summary: "done" },
  ]);
  expect(source.isHungUp).toBe(false);
});

test("takes a ReadableStream, and a generator", async () => {
  const words = new ReadableStream<string>({
    start(controller) {
      for (const word of ["a", "b"]) controller.enqueue(word);
      controller.close();
    },
  });
  expect(await handle.pipe(words, { end: false })).toEqual({ status: "open", chunks: 2 });
  async function* more(): AsyncGenerator<string> {
    yield "c";
  }
  await handle.pipe(more());
  expect(stored()).toEqual([...texts("a", "b", "c"), { type: "Complete", summary: null }]);
});

test("adds no end where the source gives one, and takes nothing more from it", async () => {
  const end = { type: "Error", error: "workflow failed", code: "workflow_error" } as const;
  const source = new Source(["a", end, "after"]);
  expect(await handle.pipe(source)).toEqual({ status: "errored", chunks: 2 });
  expect(stored()).toEqual([...texts("a"), end]);
  expect(source).toMatchObject({ given: 2, isHungUp: true });
});

test("takes no more from a source than the buffer takes, while the log doesn't answer", async () => {
  const gate = Promise.withResolvers<void>();
  const append = streamLog.append.bind(streamLog);
  streamLog.append = async (message) => {
    await gate.promise;
    return append(message);
  };
  await manager.close();
  manager = new StreamManager({ log: streamLog });
  handle = await manager.openStream("s", { mode: "shared" });
  const source = new Source(Array.from({ length: 1_000 }, (_, index) => String(index)));
  const piping = handle.pipe(source);
  for (let turn = 0; turn < 300; turn++) await new Promise(setImmediate);
  expect(source.given).toBeGreaterThanOrEqual(80);
  expect(source.given).toBeLessThanOrEqual(82);
  gate.resolve();
  expect(await piping).toEqual({ status: "completed", chunks: 1_000 });
  expect(stored().length).toBe(1_001);
});

test("a source that fails ends the stream with an Error chunk that tells readers nothing, and the worker all", async () => {
  const failure = new Error("password is 1234");
  const source = new Source(["a"], () => Promise.reject(failure));
  await expect(handle.pipe(source)).rejects.toBe(failure);
  expect(stored()).toEqual([
    ...texts("a"),
    { type: "Error", error: "The source of this stream failed.", code: "SOURCE_FAILED" },
  ]);
});

test("what readers are told of a failed source can be said", async () => {
  const describeError = (error: unknown) => ({ error: (error as Error).message, code: "llm_error" });
  const source = new Source([], () => Promise.reject(new Error("slow down")));
  await expect(handle.pipe(source, { describeError })).rejects.toThrow("slow down");
  expect(stored()).toEqual([{ type: "Error", error: "slow down", code: "llm_error" }]);
});

test("a chunk that isn't one is the source's failure", async () => {
  const source = new Source(["a", { type: "Text" } as unknown as ChunkType, "b", "c"]);
  await expect(handle.pipe(source)).rejects.toMatchObject({ code: "INVALID_CHUNK" });
  expect(stored().at(-1)).toMatchObject({ type: "Error", code: "SOURCE_FAILED" });
  expect(source.isHungUp).toBe(true);
});

test("a cancelled stream ends as cancelled after what was sent, though the source says nothing any more", async () => {
  const source = new Source(["a"], forever);
  const piping = handle.pipe(source);
  await expect.poll(() => stored().length).toBe(1);
  expect(await cancelFeed.tellProducer("s", "requested")).toBe(true);
  expect(await piping).toEqual({ status: "cancelled", chunks: 1 });
  expect(stored().at(-1)).toEqual({
    type: "Error",
    error: "The stream was stopped on request.",
    code: "CANCELLED",
  });
  expect(source.isHungUp).toBe(true);
});

test("a stream that was cancelled before anything was piped takes nothing from the source", async () => {
  expect(handle.signal.aborted).toBe(false);
  await cancelFeed.tellProducer("s", "requested");
  const source = new Source(["a"]);
  expect(await handle.pipe(source)).toEqual({ status: "cancelled", chunks: 0 });
  expect(source).toMatchObject({ given: 0, isHungUp: true });
});

test("where the worker keeps the end to itself, neither failure nor cancel writes anything", async () => {
  const failing = new Source(["a"], () => Promise.reject(new Error("no")));
  await expect(handle.pipe(failing, { end: false })).rejects.toThrow("no");
  const piping = handle.pipe(new Source(["b"], forever), { end: false });
  await expect.poll(() => stored().length).toBe(2);
  await cancelFeed.tellProducer("s", "requested");
  expect(await piping).toEqual({ status: "open", chunks: 1 });
  expect(stored()).toEqual(texts("a", "b"));
});

test("hangs up on the source when another has taken the stream over, and says so", async () => {
  const gate = Promise.withResolvers<void>();
  const source = new Source(["a", "b"], forever);
  const piping = handle.pipe(source);
  await expect.poll(() => stored().length).toBe(2);
  await manager.resume("s");
  void handle.sendText("late").catch(() => gate.resolve());
  await gate.promise;
  await expect(piping).rejects.toMatchObject({ code: "FENCED" });
  expect(source.isHungUp).toBe(true);
  expect(stored()).toEqual(texts("a", "b"));
});

test("tells readers that the stream is cut where the log was away for too long, once it is back", async () => {
  const source = new Source(["a", "b"], forever);
  const append = streamLog.append.bind(streamLog);
  let refused = 0;
  streamLog.append = (message) => {
    if (refused++ > 0) return append(message);
    return Promise.reject(new StreamError("LOG_FULL", "the log is full"));
  };
  await expect(handle.pipe(source)).rejects.toMatchObject({ code: "LOG_FULL" });
  expect(stored()).toEqual([
    { type: "Error", error: "the stream is cut here: the log is full", code: "LOG_FULL" },
  ]);
  expect(source.isHungUp).toBe(true);
});

test("rule 9: text above 1 MiB and characters in halves go through a pipe as they are", async () => {
  const large = "ü".repeat(700_000);
  const source = new Source(["a\ud83d", `\udd0e${large}`, { chunk_type: { type: "Text", content: large } }]);
  expect(await handle.pipe(source)).toMatchObject({ status: "completed" });
  const told = stored().flatMap((chunk) => (chunk.type === "Text" ? [chunk.content] : []));
  expect(told.join("") === `a🔎${large}${large}`).toBe(true);
  for (const content of told) expect(content.isWellFormed()).toBe(true);
});

test.each([
  [{ type: "Json", data: "x".repeat(MAX_CHUNK_BYTES) }, /at most 1048576 are allowed/],
  [{ type: "Json", data: JSON.parse(`${"[".repeat(200)}${"]".repeat(200)}`) as JsonValue }, /96 levels deep/],
] as const)(
  "rule 9: what no chunk can carry ends the stream with words that name the limit",
  async (item, words) => {
    const describeError = () => ({ error: "hidden", code: "HIDDEN" });
    await expect(handle.pipe(new Source(["a", item]), { describeError })).rejects.toThrow(words);
    expect(stored().at(-1)).toEqual({
      type: "Error",
      error: expect.stringMatching(words) as string,
      code: "CHUNK_TOO_LARGE",
    });
  },
);

/** The stream, for one whose chunks are to be confirmed while nobody confirms. */
async function openUnconfirmed(): Promise<StreamHandle> {
  await manager.close();
  const settings = { confirmTimeoutMs: 20 };
  manager = new StreamManager({ log: streamLog, cancelFeed, receiptFeed: new MemoryReceiptFeed(), settings });
  return manager.resume("s", { confirm: "sequenced" });
}

test("goes on where chunks are stored but not confirmed, and says so once the end is written", async () => {
  handle = await openUnconfirmed();
  const gate = Promise.withResolvers<void>();
  const source = new Source(["a"], () => gate.promise);
  const piping = handle.pipe(source);
  await expect(handle.sendText("by the way")).rejects.toMatchObject({ code: "UNCONFIRMED" });
  expect(source.isHungUp).toBe(false);
  gate.resolve();
  await expect(piping).rejects.toMatchObject({ code: "UNCONFIRMED" });
  expect(stored()).toEqual([...texts("by the way", "a"), { type: "Complete", summary: null }]);
});

test("a pipe is over when all its chunks are confirmed, the first as well as the last", async () => {
  let sent = 0;
  const unconfirmed = new StreamError("UNCONFIRMED", "not in time");
  const late = Promise.withResolvers<never>();
  const { signal } = new AbortController();
  const target = {
    signal,
    send: () => (sent++ === 0 ? late.promise : Promise.resolve()),
    ready: () => Promise.resolve(),
  };
  const piping = pipe(new Source(["a", "b"]), target, { end: false });
  setImmediate(() => late.reject(unconfirmed));
  await expect(piping).rejects.toBe(unconfirmed);
  expect(sent).toBe(2);
});

test("a source that fails after an unconfirmed chunk is what the worker hears of, and readers too", async () => {
  handle = await openUnconfirmed();
  const failure = new Error("slow down");
  await expect(handle.pipe(new Source(["a"], () => Promise.reject(failure)))).rejects.toBe(failure);
  expect(stored().at(-1)).toMatchObject({ type: "Error", code: "SOURCE_FAILED" });
});

test("an end that the log doesn't take is not the source's failure", async () => {
  const append = streamLog.append.bind(streamLog);
  let appends = 0;
  streamLog.append = (message) =>
    appends++ === 1 ? Promise.reject(new StreamError("LOG_FULL", "the log is full")) : append(message);
  await expect(handle.pipe(new Source(["a"]))).rejects.toMatchObject({ code: "LOG_FULL" });
  expect(stored().at(-1)).toMatchObject({ type: "Error", code: "LOG_FULL" });
});

test("asks a source for nothing more once a chunk has failed: what it would have thrown ends no process", async () => {
  await manager.close();
  const settings = { publishTimeoutMs: 20, retryDelayMs: 1, bufferSize: 2, backpressureThreshold: 0.5 };
  manager = new StreamManager({ log: streamLog, settings });
  handle = await manager.openStream("s", { mode: "shared" });
  log.setReachable(false);
  let asked = 0;
  const failed = vi.spyOn(handle, "send");
  const source: AsyncIterable<PipeItem> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        asked++;
        return { done: false, value: "x" };
      },
    }),
  };
  await expect(handle.pipe(source)).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
  // The last send is the Error chunk's.
  expect(asked).toBe(failed.mock.calls.length - 1);
});

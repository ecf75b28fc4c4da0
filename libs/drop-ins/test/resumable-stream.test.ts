import type { StreamHead } from "@sluice/core";
import { MemoryLog, MemoryReceiptFeed, MemoryStreamLog } from "@sluice/memory";
import { StreamManager } from "@sluice/producer";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createResumableStreamContext, type ResumableStreamContext } from "../src/resumable-stream.ts";

let log: MemoryLog;
let streamLog: MemoryStreamLog;
let producer: StreamManager;
let context: ResumableStreamContext;
let written: Promise<unknown>[];
let reported: unknown[];
/** What the owners of the streams' records know. */
let records: Record<string, StreamHead>;
/** What edges answer. */
let edgeAnswers: () => Response | Promise<Response>;
let asked: string[];

const source = (): ReadableStream<string> => ReadableStream.from(["Hel", "lo"]);
const contentsOf = (streamId: string): string =>
  log.messages
    .filter((message) => message.streamId === streamId)
    .map(({ payload }) => Buffer.from(payload).toString())
    .join("");
const contextWith = (options: object): ResumableStreamContext =>
  createResumableStreamContext({
    producer,
    edgeUrl: "http://edge.test",
    waitUntil: (promise) => void written.push(promise),
    onError: (error, streamId) => reported.push([streamId, error]),
    ...options,
  });

beforeEach(() => {
  log = new MemoryLog();
  streamLog = new MemoryStreamLog(log);
  const receiptFeed = new MemoryReceiptFeed();
  records = {};
  for (let partition = 0; partition < streamLog.partitions; partition++)
    receiptFeed.answerHeads(partition, async (streamId) => records[streamId] ?? null);
  producer = new StreamManager({ log: streamLog, receiptFeed });
  edgeAnswers = () => Response.json({}, { status: 404 });
  asked = [];
  vi.stubGlobal("fetch", async (url: string) => {
    asked.push(url);
    return edgeAnswers();
  });
  written = [];
  reported = [];
  context = contextWith({});
});
afterEach(async () => {
  await producer.close();
  vi.unstubAllGlobals();
});

test.each([
  ["knows nothing of it yet", () => Response.json({}, { status: 404 })],
  ["drains", () => Response.json({ detail: "draining" }, { status: 503 })],
  ["can't be reached", () => Promise.reject(new TypeError("fetch failed"))],
  ["answers what is no JSON", () => new Response("<html>", { status: 502 })],
] as const)(
  "a stream is there once it was created, and is written to its end, though the edge %s",
  async (_, answer) => {
    edgeAnswers = answer;
    const gate = Promise.withResolvers<void>();
    async function* slowly(): AsyncGenerator<string> {
      yield "Hel";
      await gate.promise;
      yield "lo";
    }
    const stream = await context.resumableStream("a", () => ReadableStream.from(slowly()));
    expect(await context.hasExistingStream("a")).toBe(true);
    const resumed = await context.resumeExistingStream("a");
    expect(resumed).toBeInstanceOf(ReadableStream);
    gate.resolve();
    await Promise.all(written);
    expect(contentsOf("resumable-stream--a")).toMatch(/Hel.*lo.*Complete/);
    expect(await context.hasExistingStream("a")).toBe("DONE");
    await Promise.all([stream?.cancel(), resumed?.cancel()]);
  },
);

test("what is asked of a stream is asked of the log, so edges learn of no id that isn't there", async () => {
  expect(await context.hasExistingStream("a")).toBeNull();
  expect(await context.resumeExistingStream("a")).toBeUndefined();
  await (await context.createNewResumableStream("a", source))?.cancel();
  await Promise.all(written);
  expect(await context.hasExistingStream("a")).toBe("DONE");
  expect(asked.filter((url) => !url.includes("/streams/resumable-stream--a/events"))).toEqual([]);
});

test("where there is no way to the log, the edge says what it knows", async () => {
  await producer.close();
  edgeAnswers = () => Response.json({ status: "completed" });
  const last = asked.length;
  edgeAnswers = () =>
    asked.length === last + 2 ? Response.json({}, { status: 404 }) : Response.json({ status: "completed" });
  expect(await context.hasExistingStream("a")).toBe("DONE");
  edgeAnswers = () => Promise.reject(new TypeError("fetch failed"));
  await expect(context.hasExistingStream("a")).rejects.toMatchObject({ code: "CLOSED" });
});

test("a new use comes after the last one, though the record of the first has gone", async () => {
  records["resumable-stream--a--2"] = { sequence: 1, brokerSequence: 1, status: "completed" };
  await (await context.createNewResumableStream("a", source))?.cancel();
  await Promise.all(written);
  expect(contentsOf("resumable-stream--a--3")).toContain("Complete");
});

test("a character of two code units isn't parted where a large piece is cut", async () => {
  const text = `x${"👋".repeat(200_000)}`;
  await (await context.resumableStream("a", () => ReadableStream.from([text])))?.cancel();
  await Promise.all(written);
  expect(contentsOf("resumable-stream--a")).not.toMatch(/\\ud83d/i);
});

test.each([
  ["the log fails", () => vi.spyOn(streamLog, "append").mockRejectedValue(new Error("log is broken"))],
  ["its source fails", () => undefined],
])(
  "what the application waits for isn't rejected where %s: that is reported, and ends no process",
  async (why, fail) => {
    const failing = why === "its source fails";
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    for (const waitUntil of [(promise: Promise<unknown>) => void written.push(promise), null]) {
      const id = waitUntil === null ? "b" : "a";
      const gate = Promise.withResolvers<string>();
      const stream = await contextWith({ waitUntil }).resumableStream(id, () =>
        ReadableStream.from(
          (async function* () {
            yield await gate.promise;
          })(),
        ),
      );
      await stream?.cancel();
      fail();
      if (failing) gate.reject(new Error("model is broken"));
      else gate.resolve("text");
      await expect.poll(() => reported).toContainEqual([`resumable-stream--${id}`, expect.any(Error)]);
      vi.restoreAllMocks();
    }
    await expect(Promise.all(written)).resolves.toBeDefined();
    await new Promise(setImmediate);
    expect(unhandled).not.toHaveBeenCalled();
    process.off("unhandledRejection", unhandled);
  },
);

test("an address that is none is told at once", () => {
  expect(() => contextWith({ edgeUrl: "edge" })).toThrow("edgeUrl must be an address");
});

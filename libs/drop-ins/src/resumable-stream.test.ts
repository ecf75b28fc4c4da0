import { StreamManager } from "@sluice/producer";
import { MemoryLog, MemoryStreamLog } from "@sluice/memory";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createResumableStreamContext, type ResumableStreamContext } from "./resumable-stream.ts";

let log: MemoryLog;
let producer: StreamManager;
let context: ResumableStreamContext;
let written: Promise<unknown>;
/** What the edge answers, for each stream. */
let answers: Record<string, () => Response | Promise<Response>>;

const status = (name: string): (() => Response) => {
  return () => Response.json({ status: name });
};
const unknown = (): Response => Response.json({}, { status: 404 });
const draining = (): Response => Response.json({ detail: "draining" }, { status: 503 });
const source = (): ReadableStream<string> => ReadableStream.from(["Hel", "lo"]);
const contentsOf = (streamId: string): string =>
  log.messages
    .filter((message) => message.streamId === streamId)
    .map(({ payload }) => Buffer.from(payload).toString())
    .join("");

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"], shouldAdvanceTime: true });
  log = new MemoryLog();
  producer = new StreamManager({ log: new MemoryStreamLog(log) });
  answers = {};
  vi.stubGlobal("fetch", async (url: string) => {
    const streamId = /streams\/([^/]+)/.exec(url)?.[1] ?? "";
    return (answers[streamId] ?? unknown)();
  });
  context = createResumableStreamContext({
    producer,
    edgeUrl: "http://edge.test",
    waitUntil: (promise) => void (written = promise),
  });
});
afterEach(async () => {
  await producer.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test.each([
  ["drains", draining],
  ["can't be reached", () => Promise.reject(new TypeError("fetch failed"))],
  ["answers what is no JSON", () => new Response("<html>", { status: 502 })],
] as const)("a stream is written to its end though the edge %s once it is created", async (_, fails) => {
  answers["resumable-stream--a"] = () => (log.messages.length === 0 ? unknown() : fails());
  const creating = context.resumableStream("a", source);
  await expect.poll(() => log.messages.length).toBe(1);
  await vi.advanceTimersByTimeAsync(6_000);
  const stream = await creating;
  await written;
  expect(contentsOf("resumable-stream--a")).toMatch(/Hel.*lo.*Complete/);
  await stream?.cancel();
});

test("a new use comes after the last one, though the record of the first has gone", async () => {
  answers["resumable-stream--a--2"] = status("completed");
  answers["resumable-stream--a--3"] = () => (log.messages.length === 0 ? unknown() : status("open")());
  await (await context.createNewResumableStream("a", source))?.cancel();
  await written;
  expect(contentsOf("resumable-stream--a--3")).toContain("Complete");
});

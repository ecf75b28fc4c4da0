import { chunkFrame, startHostileEdge, type HostileEdge, type HostileFrame } from "@sluice/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createClient, type Client, type ClientOptions, type Gap, type Stream } from "./index.ts";

let edge: HostileEdge;

beforeEach(async () => {
  edge = await startHostileEdge();
  vi.spyOn(Math, "random").mockReturnValue(1);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await edge[Symbol.asyncDispose]();
});

const clientOf = (options: Partial<ClientOptions> = {}): Client =>
  createClient({ edgeUrl: edge.url, ...options });

const textFrame = (sequence: number, content: string): HostileFrame =>
  chunkFrame(sequence, { type: "Text", content });
const completeFrame = (sequence: number): HostileFrame =>
  chunkFrame(sequence, { type: "Complete", summary: null });
const HELLO = [textFrame(1, "Hello"), textFrame(2, ", world"), completeFrame(3)];

const eventually = (isTrue: () => boolean): Promise<boolean> =>
  vi.waitUntil(isTrue, { timeout: 10_000, interval: 5 });

const over = (stream: Stream): Promise<boolean> =>
  eventually(() => ["ended", "failed", "closed"].includes(stream.state));

describe("a stream", () => {
  test("is iterated to its end", async () => {
    edge.frames = HELLO;
    const sequences: number[] = [];
    for await (const chunk of clientOf().stream("s")) sequences.push(chunk.sequence);
    expect(sequences).toEqual([1, 2, 3]);
  });

  test("keeps for a loop all that has come since it was asked for, also before its first turn", async () => {
    edge.frames = HELLO;
    const stream = clientOf().stream("s");
    stream.on("gap", () => {});
    const chunks = stream[Symbol.asyncIterator]();
    await over(stream);
    const sequences: number[] = [];
    for await (const chunk of chunks) sequences.push(chunk.sequence);
    expect(sequences).toEqual([1, 2, 3]);
  });

  test("gives its text, whole and as it grows", async () => {
    edge.frames = HELLO;
    const stream = clientOf().stream("s");
    const seen: string[] = [];
    stream.on("text", (text) => seen.push(text));
    expect(await stream.text()).toBe("Hello, world");
    expect(seen).toEqual(["Hello", "Hello, world"]);
    expect(stream.end).toMatchObject({ status: "completed", chunk: { sequence: 3 } });
  });

  test("tells its states in order, and never asks again once it has ended", async () => {
    edge.frames = HELLO;
    edge.treatments = [{ cutAfterBytes: 250 }];
    const stream = clientOf().stream("s");
    const states: string[] = [];
    stream.on("state", (state) => states.push(state));
    await over(stream);
    expect(states).toEqual(["connecting", "open", "waiting", "connecting", "open", "ended"]);
    expect(edge.requests).toEqual(["GET /streams/s/events", "GET /streams/s/events @ 1"]);
    await eventually(() => edge.open.size === 0);
  });

  test("that is used and closed in one go never connects", async () => {
    const stream = clientOf().stream("s");
    const text = stream.text();
    stream.close();
    await expect(text).rejects.toMatchObject({ code: "CLOSED" });
    expect(edge.requests).toEqual([]);
  });

  test("is closed by its signal, and by leaving its loop", async () => {
    edge.frames = [textFrame(1, "a")];
    edge.hasEnded = false;
    edge.treatments = [{ stays: true }, { stays: true }];
    const abort = new AbortController();
    const first = clientOf().stream("s", { signal: abort.signal });
    const second = clientOf().stream("s");
    first.on("chunk", () => abort.abort());
    for await (const { sequence } of second) if (sequence === 1) break;
    await over(first);
    expect([first.state, second.state]).toEqual(["closed", "closed"]);
    await eventually(() => edge.open.size === 0);
  });

  test.each([
    ["before its first turn", false],
    ["while it waits for the next", true],
  ])("is closed by leaving its loop %s", async (_when, isWaiting) => {
    edge.hasEnded = false;
    edge.treatments = [{ stays: true }];
    const stream = clientOf().stream("s");
    const chunks = stream[Symbol.asyncIterator]();
    const pending = isWaiting ? chunks.next() : null;
    await eventually(() => stream.state === "open");
    expect(await chunks.return?.()).toEqual({ done: true });
    expect(stream.state).toBe("closed");
    expect((await pending)?.done ?? true).toBe(true);
    expect((await chunks.next()).done).toBe(true);
    await eventually(() => edge.open.size === 0);
  });

  test("is closed by cancelling a ReadableStream that was made of it and never read", async () => {
    edge.frames = Array.from({ length: 5_000 }, (_, index) => textFrame(index + 1, "x"));
    edge.treatments = [{ stays: true }];
    const stream = clientOf().stream("s");
    const made = ReadableStream.from(stream);
    await eventually(() => (stream.cursor ?? 0) >= 1_000);
    await made.cancel();
    expect(stream.state).toBe("closed");
    await eventually(() => edge.open.size === 0);
  });

  test("goes on in spite of a listener that throws, which is heard of", async () => {
    edge.frames = HELLO;
    const thrown: unknown[] = [];
    const enqueue = vi.spyOn(globalThis, "queueMicrotask").mockImplementation((task) => {
      void Promise.resolve()
        .then(task)
        .catch((error: unknown) => thrown.push(error));
    });
    const stream = clientOf().stream("s");
    stream.on("chunk", () => {
      throw new Error("of the application");
    });
    expect(await stream.text()).toBe("Hello, world");
    await eventually(() => thrown.length === 3);
    enqueue.mockRestore();
  });

  test("without a whole text says why, and has what came of it", async () => {
    edge.frames = [
      textFrame(1, "Hello"),
      chunkFrame(2, { type: "Error", error: "stopped", code: "CANCELLED" }),
    ];
    const stream = clientOf().stream("s");
    await expect(stream.text()).rejects.toMatchObject({ code: "CANCELLED", message: "stopped" });
    expect(stream.textSoFar).toBe("Hello");
    expect(stream.end?.status).toBe("cancelled");
  });

  test("gives no text that has a hole", async () => {
    const gap = 'id: 1\nevent: gap\ndata: {"stream_id":"s","from":1,"to":1,"reason":"expired"}\n\n';
    edge.frames = [{ from: 1, to: 1, text: gap }, ...HELLO.slice(1)];
    await expect(clientOf().stream("s").text()).rejects.toMatchObject({ code: "INCOMPLETE" });
  });

  test("is cancelled at the gateway, however its address is written", async () => {
    const fetch = vi.fn<typeof globalThis.fetch>().mockResolvedValue(Response.json({ status: "open" }));
    expect(await clientOf({ gatewayUrl: "http://gateway/", fetch }).cancel("s")).toBe("open");
    expect(fetch.mock.calls[0]?.[0]).toBe("http://gateway/streams/s/cancel");
  });

  test("tells that it was deleted", async () => {
    const text = 'id: 2\nevent: deleted\ndata: {"stream_id":"s","sequence":2}\n\n';
    edge.frames = [textFrame(1, "Hello"), { from: 2, to: 2, text }];
    const stream = clientOf().stream("s");
    await expect(stream.text()).rejects.toMatchObject({ code: "STREAM_DELETED" });
    expect(stream.end).toEqual({ status: "deleted", chunk: null });
    expect(edge.requests).toHaveLength(1);
  });

  test("leaves the rest with the server while its loop is busy", async () => {
    const content = "x".repeat(1_000);
    edge.frames = [
      ...Array.from({ length: 30_000 }, (_, index) => textFrame(index + 1, content)),
      completeFrame(30_001),
    ];
    const chunks = clientOf().stream("s")[Symbol.asyncIterator]();
    await chunks.next();
    const [response] = edge.open;
    // Were it read on, nothing would be left to write.
    await waitForStandstill(() => response?.writableLength ?? 0);
    let count = 1;
    while ((await chunks.next()).done !== true) count++;
    expect(count).toBe(30_001);
    expect(edge.requests).toHaveLength(1);
  });
});

/** Until it doesn't change for a while, and is not 0. */
async function waitForStandstill(value: () => number): Promise<void> {
  for (let before = -1; before <= 0 || before !== value();) {
    before = value();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(value()).toBeGreaterThan(0);
  }
}

describe("where a stream begins", () => {
  test.each([
    [{}, "GET /streams/s/events"],
    [{ from: 2 }, "GET /streams/s/events?from=2"],
    [{ tail: 5 }, "GET /streams/s/events?tail=5"],
    [{ resumeToken: btoa("s:1") }, `GET /streams/s/events?resume_token=${encodeURIComponent(btoa("s:1"))}`],
    [{ compact: true, wait: 30 }, "GET /streams/s/events?compact=1&wait=30"],
  ])("%j is asked for in the query, and never again once there is a position", async (options, request) => {
    edge.frames = [
      ...HELLO.slice(0, 2),
      ...[3, 4, 5].map((sequence) => textFrame(sequence, "x")),
      completeFrame(6),
    ];
    edge.treatments = [{ cutAfterBytes: 500, headers: { "Sluice-Resume-Token": btoa("s:1") } }];
    const stream = clientOf().stream("s", options);
    await stream.text().catch(() => null);
    expect(edge.requests[0]).toBe(request);
    expect(edge.requests[1]).toMatch(/events(\?compact=1&wait=30)? @ \d+$/);
  });

  test("of a tail is what the server says, though nothing came before the cut", async () => {
    edge.treatments = [{ cutAfterBytes: 3, headers: { "Sluice-Resume-Token": btoa("s:2") } }];
    edge.frames = HELLO;
    const sequences: number[] = [];
    for await (const { sequence } of clientOf().stream("s", { tail: 0 })) sequences.push(sequence);
    expect(edge.requests).toEqual(["GET /streams/s/events?tail=0", "GET /streams/s/events @ 2"]);
    expect(sequences).toEqual([3]);
  });

  test("must be possible", () => {
    expect(() => clientOf().stream("a/b")).toThrow("stream id");
    expect(() => clientOf().stream("s", { resumeToken: "?" })).toThrow("token");
  });
});

describe("what is missing", () => {
  async function read(
    options = {},
    onGap = (): void => {},
  ): Promise<{ seen: string[]; stream: Stream; text: string | null }> {
    const stream = clientOf().stream("s", options);
    const seen: string[] = [];
    stream.on("chunk", ({ sequence }) => seen.push(String(sequence)));
    stream.on("gap", (gap: Gap) => {
      seen.push(gap.reset === true ? `reset ${gap.head}` : `${gap.from}-${gap.to} ${gap.reason}`);
      onGap();
    });
    const text = await stream.text().catch(() => null);
    return { seen, stream, text };
  }

  test("without a word is asked for three times, and then told as a gap", async () => {
    edge.frames = [textFrame(1, "a"), textFrame(4, "d"), completeFrame(5)];
    const { seen } = await read();
    expect(seen).toEqual(["1", "2-3 skipped", "4", "5"]);
    expect(edge.requests).toEqual([
      "GET /streams/s/events",
      ...Array<string>(3).fill("GET /streams/s/events @ 1"),
    ]);
  });

  test("in joined chunks: what they stand for counts, and what overlaps is asked for again", async () => {
    edge.frames = [
      { ...chunkFrame(3, { type: "Text", content: "abc" }, { first_sequence: 1 }), from: 1 },
      { ...chunkFrame(5, { type: "Text", content: "cde" }, { first_sequence: 3 }), from: 3 },
      { ...chunkFrame(5, { type: "Text", content: "de" }, { first_sequence: 4 }), from: 4 },
      completeFrame(6),
    ];
    edge.treatments = [{ skipped: [4] }, { skipped: [3] }];
    const { seen, text } = await read({ compact: true });
    expect(text).toBe("abcde");
    expect(seen).toEqual(["3", "5", "6"]);
    expect(edge.requests[1]).toBe("GET /streams/s/events?compact=1 @ 3");
  });

  test("after a reset: what was read beyond the new end isn't of the stream any more", async () => {
    const data = { stream_id: "s", reset: true, cursor: 2, head: 1, reason: "cursor_ahead" };
    const reset = { from: 3, to: 3, text: `id: 1\nevent: gap\ndata: ${JSON.stringify(data)}\n\n` };
    edge.frames = [textFrame(1, "a"), textFrame(2, "b"), reset];
    const { seen, text } = await read({}, () => {
      edge.frames = [textFrame(1, "a"), textFrame(2, "c"), completeFrame(3)];
    });
    expect(seen).toEqual(["1", "2", "reset 1", "2", "3"]);
    expect(text).toBe("ac");
  });

  test("after a reset within joined chunks is read again from where they began", async () => {
    const data = { stream_id: "s", reset: true, cursor: 5, head: 3, reason: "cursor_ahead" };
    const reset = { from: 6, to: 6, text: `id: 3\nevent: gap\ndata: ${JSON.stringify(data)}\n\n` };
    const joined = (first_sequence: number, to: number, content: string): HostileFrame =>
      chunkFrame(to, { type: "Text", content }, { first_sequence });
    edge.frames = [textFrame(1, "a"), joined(2, 5, "bcde"), reset];
    const { seen, text } = await read({ compact: true }, () => {
      edge.frames = [textFrame(1, "a"), joined(2, 3, "bc"), textFrame(4, "x"), completeFrame(5)];
    });
    expect(seen).toEqual(["1", "5", "reset 1", "3", "4", "5"]);
    expect(text).toBe("abcx");
    expect(edge.requests[1]).toBe("GET /streams/s/events?compact=1 @ 1");
  });

  test("overlapping a gap is told once", async () => {
    const gap = (from: number, to: number): HostileFrame => {
      const data = { stream_id: "s", from, to, reason: "expired" };
      return { from, to, text: `id: ${to}\nevent: gap\ndata: ${JSON.stringify(data)}\n\n` };
    };
    edge.frames = [gap(1, 3), gap(2, 3), gap(2, 5), completeFrame(6)];
    const { seen } = await read();
    expect(seen).toEqual(["1-3 expired", "4-5 expired", "6"]);
  });

  test("is nothing where an event has a name that only newer servers know", async () => {
    edge.frames = [
      textFrame(1, "a"),
      { from: 2, to: 2, text: "id: 2\nevent: novelty\ndata: {}\n\n" },
      completeFrame(3),
    ];
    expect((await read()).seen).toEqual(["1", "3"]);
  });
});

import { createClient, type Client } from "@sluice/client";
import { chunkFrame, startHostileEdge, type HostileEdge } from "@sluice/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isComplete } from "../chat/answers.ts";
import { newReading, textOf, type Reading, type ReadingState } from "./reading.ts";
import { StreamReading } from "./stream-reading.ts";

let edge: HostileEdge;
let client: Client;
let shown: Reading[];
let readings: StreamReading[];

beforeEach(async () => {
  edge = await startHostileEdge();
  client = createClient({ edgeUrl: edge.url });
  shown = [];
  readings = [];
  vi.spyOn(Math, "random").mockReturnValue(1);
  vi.stubGlobal("requestAnimationFrame", (callback: () => void) => setTimeout(callback, 1));
  vi.stubGlobal("cancelAnimationFrame", clearTimeout);
});
afterEach(async () => {
  for (const reading of readings) reading.close();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  await edge[Symbol.asyncDispose]();
});

function read(streamId = "s"): StreamReading {
  const reading = new StreamReading(client, streamId, (each) => shown.push(each));
  readings.push(reading);
  return reading;
}

const last = (): Reading => shown.at(-1) ?? newReading("s");

const until = (state: ReadingState): Promise<boolean> =>
  vi.waitUntil(() => last().status.state === state, { timeout: 10_000, interval: 2 });

const text = (sequence: number, content: string) => chunkFrame(sequence, { type: "Text", content });
const COMPLETE = { type: "Complete", summary: null };

test("a stream is shown whole, with its end", async () => {
  edge.frames = [text(1, "All "), text(2, "of it."), chunkFrame(3, COMPLETE)];
  read();
  await until("completed");
  expect([textOf(last().pieces), last().status.sequence]).toEqual(["All of it.", 3]);
  expect(edge.requests).toEqual(["GET /streams/s/events?compact=1"]);
});

test("chunks that arrive together are shown together, and what was shown doesn't change", async () => {
  edge.frames = [
    ...Array.from({ length: 500 }, (_, index) => text(index + 1, "x")),
    chunkFrame(501, COMPLETE),
  ];
  read();
  await until("completed");
  expect(shown.length).toBeLessThan(100);
  expect(shown.map(({ pieces, status }) => textOf(pieces).length - Math.min(500, status.sequence))).toEqual(
    shown.map(() => 0),
  );
});

test("reconnects are counted", async () => {
  edge.frames = [text(1, "a"), text(2, "b"), chunkFrame(3, COMPLETE)];
  const first = edge.frames[0]?.text.length ?? 0;
  edge.treatments = [{ cutAfterBytes: first + 20 }, { status: 503 }];
  read();
  await until("completed");
  expect(last().status.reconnects).toBe(1);
});

test("a stream that was stopped says so, and by whom", async () => {
  edge.frames = [chunkFrame(1, { type: "Error", error: "Stopped by the user.", code: "CANCELLED" })];
  read();
  await until("stopped");
  expect(last().status.detail).toBe("Stopped by the user.");
});

test("a gap stands where the missing text would", async () => {
  const gap = { stream_id: "s", from: 2, to: 9, reason: "expired" };
  edge.frames = [
    text(1, "before"),
    { from: 2, to: 9, text: `id: 9\nevent: gap\ndata: ${JSON.stringify(gap)}\n\n` },
    text(10, "after"),
    chunkFrame(11, COMPLETE),
  ];
  read();
  await until("completed");
  expect(last().pieces).toEqual([
    { kind: "text", text: "before" },
    { kind: "gap", from: 2, to: 9, reason: "expired" },
    { kind: "text", text: "after" },
  ]);
});

test("where the stream is another than was read, it begins anew", async () => {
  edge.frames = [text(1, "of another log"), text(2, "!")];
  edge.treatments = [{ stays: true }];
  read();
  await vi.waitUntil(() => last().status.sequence === 2, { timeout: 10_000 });
  const reset = { stream_id: "s", reset: true, cursor: 2, head: 1, reason: "cursor_ahead" };
  edge.frames = [text(1, "true"), chunkFrame(2, COMPLETE)];
  edge.send(`id: 1\nevent: gap\ndata: ${JSON.stringify(reset)}\n\n`);
  await until("completed");
  expect(textOf(last().pieces)).toBe("true");
});

test("a reading that is closed shows nothing more", async () => {
  edge.frames = [text(1, "a"), chunkFrame(2, COMPLETE)];
  const reading = read();
  await vi.waitUntil(() => shown.length > 0, { timeout: 10_000 });
  reading.close();
  const count = shown.length;
  await vi.waitUntil(() => edge.open.size === 0, { timeout: 10_000 });
  expect(shown.length).toBe(count);
});

test.each([
  ["errored", "failed"],
  ["cancelled", "stopped"],
  ["completed", "completed"],
  ["deleted", "deleted"],
] as const)("a stream of which nothing is left shows how it ended: %s", async (status, state) => {
  edge.treatments = [{ status: 204, headers: { "Sluice-Status": status } }];
  read();
  await until(state);
  expect(last().status.state).toBe(state);
});

test("an end of which nobody says how isn't taken for success", async () => {
  edge.treatments = [{ status: 204 }];
  read();
  await until("ended");
  expect(last().pieces).toEqual([]);
});

/** Whether the page keeps it as it is, and doesn't ask for it again. */
const isKept = (state: ReadingState): boolean => {
  const { status, pieces } = newReading("s");
  return isComplete({ streamId: "s", prompt: "", askedMs: 0, status: { ...status, state }, pieces });
};

test("a proxy's refusal in the edge's place is no end of the answer, and isn't remembered as one", async () => {
  edge.treatments = [{ status: 403 }];
  read();
  await until("unreadable");
  expect(last().status.detail).toBe("HTTP 403 (HTTP_403)");
  expect([isKept("unreadable"), isKept("failed")]).toEqual([false, true]);
});

test("an address that can't be a stream's is that of none", async () => {
  read("no id at all");
  await until("missing");
  expect(edge.requests).toEqual([]);
});

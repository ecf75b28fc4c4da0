import { createClient, type Client } from "@sluice/client";
import { chunkFrame, startHostileEdge, type HostileEdge } from "@sluice/testing";
import { Window } from "happy-dom";
import { act, Activity, createElement, StrictMode, type ReactElement } from "react";
import type { Root } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SluiceProvider, useStream, useStreamText, type UseStreamOptions } from "./index.ts";

let edge: HostileEdge;
let client: Client;
let root: Root;
let renders: number;

beforeEach(async () => {
  const window = new Window();
  vi.stubGlobal("window", window);
  vi.stubGlobal("document", window.document);
  vi.stubGlobal("requestAnimationFrame", window.requestAnimationFrame.bind(window));
  vi.stubGlobal("cancelAnimationFrame", window.cancelAnimationFrame.bind(window));
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  // It looks for a window as it is loaded.
  const { createRoot } = await import("react-dom/client");
  vi.spyOn(Math, "random").mockReturnValue(1);
  edge = await startHostileEdge();
  client = createClient({ edgeUrl: edge.url });
  root = createRoot(window.document.createElement("div"));
  renders = 0;
});

afterEach(async () => {
  await act(async () => root.unmount());
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  await edge[Symbol.asyncDispose]();
});

const text = (sequence: number, content: string) => chunkFrame(sequence, { type: "Text", content });
const resetTo = (head: number): string =>
  `event: gap\ndata: {"stream_id":"s","reset":true,"cursor":3,"head":${head},"reason":"cursor_ahead"}\n\n`;
const FRAMES = [text(1, "Hello"), text(2, ", world"), chunkFrame(3, { type: "Complete", summary: null })];

let view: ReturnType<typeof useStream> | null = null;
let textView: ReturnType<typeof useStreamText> | null = null;

function Chunks({ id, options }: { id: string | null; options?: UseStreamOptions }): null {
  renders++;
  view = useStream(id, options);
  return null;
}

function Text({ id, options }: { id: string | null; options?: UseStreamOptions }): null {
  renders++;
  textView = useStreamText(id, options);
  return null;
}

const render = (element: ReactElement): Promise<void> =>
  act(async () =>
    root.render(createElement(StrictMode, null, createElement(SluiceProvider, { client }, element))),
  );

const show = (mode: "visible" | "hidden", options: UseStreamOptions = {}): Promise<void> =>
  render(
    createElement(Activity, {
      mode,
      children: [
        createElement(Chunks, { key: "chunks", id: "s", options }),
        createElement(Text, { key: "text", id: "s", options }),
      ],
    }),
  );

/** Shown until both components have this text, then hidden. */
async function hideAfter(content: string, options?: UseStreamOptions): Promise<void> {
  edge.treatments = [{ stays: true }, { stays: true }];
  await show("visible", options);
  await eventually(() => textView?.text === content && shown() === content);
  await show("hidden", options);
  await eventually(() => edge.open.size === 0);
}

/** The text of the chunks. */
const shown = (): string =>
  view?.chunks.map(({ chunk_type: type }) => (type.type === "Text" ? type.content : "")).join("") ?? "";

/** What happens meanwhile is nobody's doing: React isn't to ask for `act`. */
async function eventually(isTrue: () => boolean): Promise<void> {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", false);
  await vi.waitUntil(isTrue, { timeout: 10_000, interval: 5 });
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
}

describe("a component", () => {
  test("sees chunks, states and the end, over one connection in StrictMode", async () => {
    edge.frames = FRAMES;
    await render(createElement(Chunks, { id: "s" }));
    await eventually(() => view?.state === "ended");
    expect(view?.chunks.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(view?.end?.status).toBe("completed");
    expect(edge.requests).toEqual(["GET /streams/s/events"]);
  });

  test("sees the text", async () => {
    edge.frames = FRAMES;
    await render(createElement(Text, { id: "s" }));
    await eventually(() => textView?.state === "ended");
    expect(textView?.text).toBe("Hello, world");
    expect(edge.requests).toHaveLength(1);
  });

  test("is drawn once a frame, however many chunks arrive", async () => {
    edge.frames = Array.from({ length: 5_000 }, (_, index) => text(index + 1, "x"));
    edge.treatments = [{ stays: true }];
    await render(createElement(Chunks, { id: "s" }));
    await eventually(() => view?.chunks.length === 5_000);
    expect(renders).toBeLessThan(200);
  });

  test("without a stream asks for nothing, and follows another when it gets one", async () => {
    edge.frames = FRAMES;
    await render(createElement(Chunks, { id: null }));
    expect(view).toMatchObject({ state: "idle", chunks: [] });
    await render(createElement(Chunks, { id: "a" }));
    await eventually(() => view?.state === "ended");
    await render(createElement(Chunks, { id: "b" }));
    expect(view?.chunks).toEqual([]);
    await eventually(() => view?.chunks.length === 3);
    expect(edge.requests).toEqual(["GET /streams/a/events", "GET /streams/b/events"]);
  });

  test("that is drawn again with new but equal options keeps its connection", async () => {
    edge.frames = FRAMES.slice(0, 2);
    edge.treatments = [{ stays: true }];
    await render(createElement(Chunks, { id: "s", options: { from: 2 } }));
    await eventually(() => view?.chunks.length === 1);
    await render(createElement(Chunks, { id: "s", options: { from: 2 } }));
    await eventually(() => view?.state === "open");
    expect(edge.requests).toEqual(["GET /streams/s/events?from=2"]);
  });

  test("that goes away leaves no connection", async () => {
    edge.frames = FRAMES.slice(0, 1);
    edge.treatments = [{ stays: true }];
    await render(createElement(Chunks, { id: "s" }));
    await eventually(() => view?.chunks.length === 1);
    await render(createElement("p"));
    await eventually(() => edge.open.size === 0);
    expect(edge.requests).toHaveLength(1);
  });

  test("sees why its stream failed", async () => {
    edge.treatments = [{ status: 410 }];
    await render(createElement(Text, { id: "s" }));
    await eventually(() => textView?.state === "failed");
    expect(textView?.error).toMatchObject({ code: "HTTP_410" });
  });

  test("stops a stream", async () => {
    edge.frames = FRAMES.slice(0, 1);
    edge.treatments = [{ stays: true }];
    await render(createElement(Text, { id: "s" }));
    await eventually(() => textView?.text === "Hello");
    edge.treatments = [{ status: 410 }];
    await expect(textView?.cancel()).rejects.toMatchObject({ code: "HTTP_410" });
    expect(edge.requests.at(-1)).toBe("POST /streams/s/cancel");
  });
});

describe("a component that comes back", () => {
  test("goes on with what it had", async () => {
    edge.frames = FRAMES.slice(0, 1);
    await hideAfter("Hello");
    edge.frames = FRAMES.slice(0, 2);
    await hideAfter("Hello, world");
    edge.frames = FRAMES;
    await show("visible");
    expect(textView?.text).toBe("Hello, world");
    await eventually(() => view?.state === "ended" && textView?.state === "ended");
    expect(textView?.text).toBe("Hello, world");
    expect(view?.chunks.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(edge.requests.map((request) => request.replace("GET /streams/s/events", ""))).toEqual([
      "",
      "",
      "?from=2",
      "?from=2",
      "?from=3",
      "?from=3",
    ]);
  });

  test.each([{ tail: 1 }, { resumeToken: btoa("s:1") }, { from: 2 }])(
    "does so wherever it began: %j",
    async (options) => {
      edge.frames = [text(2, "Hello")];
      await hideAfter("Hello", options);
      edge.frames = [text(2, "Hello"), text(3, ", world")];
      await hideAfter("Hello, world", options);
      expect(edge.requests.slice(2)).toEqual(Array(2).fill("GET /streams/s/events?from=3"));
    },
  );

  test("has what came after its last frame was drawn", async () => {
    vi.stubGlobal("requestAnimationFrame", () => 0);
    const opened = vi.spyOn(client, "stream");
    edge.frames = FRAMES;
    await show("visible");
    await eventually(() => opened.mock.results.every(({ value }) => /ended|closed/.test(value.state)));
    await show("hidden");
    await show("visible");
    expect(view).toMatchObject({ state: "ended", end: { status: "completed" } });
    expect(textView).toMatchObject({ state: "ended", text: "Hello, world" });
    expect(edge.requests).toHaveLength(2);
  });

  test("goes on after a gap, of which it knows once", async () => {
    const gap = 'id: 3\nevent: gap\ndata: {"stream_id":"s","from":2,"to":3,"reason":"expired"}\n\n';
    edge.frames = [text(1, "Hello"), { from: 2, to: 3, text: gap }];
    edge.treatments = [{ stays: true }, { stays: true }];
    await show("visible");
    await eventually(() => view?.gaps.length === 1 && textView?.gaps.length === 1);
    await show("hidden");
    edge.frames = [...edge.frames, text(4, ", world")];
    await hideAfter("Hello, world");
    expect(view?.gaps).toHaveLength(1);
    expect(textView?.gaps).toHaveLength(1);
    expect(edge.requests.at(-1)).toBe("GET /streams/s/events?from=4");
  });

  test("has what its stream is now, should that have lost its tail meanwhile", async () => {
    edge.frames = [text(1, "Hello"), text(2, ", world"), text(3, "!")];
    await hideAfter("Hello, world!");
    edge.frames = [text(1, "Hello"), text(2, ", moon")];
    edge.hasEnded = false;
    edge.treatments = [{ stays: true }, { stays: true }, { stays: true }];
    await show("visible");
    await eventually(() => edge.open.size === 2);
    edge.send(resetTo(1));
    await eventually(() => shown() === "Hello" && textView?.text === "Hello, moon");
    edge.send(text(2, ", moon").text);
    await eventually(() => shown() === "Hello, moon");
    expect(textView?.text).toBe("Hello, moon");
  });
});

test("joined chunks that a reset cuts through are read again", async () => {
  const joined = chunkFrame(3, { type: "Text", content: "Hello, world!" }, { first_sequence: 1 });
  edge.frames = [joined];
  edge.treatments = [{ stays: true }, { stays: true }];
  await render(createElement(Chunks, { id: "s", options: { compact: true } }));
  await eventually(() => shown() === "Hello, world!");
  edge.frames = [chunkFrame(2, { type: "Text", content: "Hello, moon" }, { first_sequence: 1 })];
  edge.send(resetTo(2));
  await eventually(() => shown() === "Hello, moon");
  expect(edge.requests).toHaveLength(2);
});

test("text that was hidden and shown is whole on the next page, too", async () => {
  const stored = new Map<string, string>();
  const persist = {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => void stored.set(key, value),
    removeItem: (key: string) => void stored.delete(key),
  };
  client = createClient({ edgeUrl: edge.url, persist });
  edge.frames = FRAMES.slice(0, 1);
  await hideAfter("Hello");
  edge.frames = FRAMES.slice(0, 2);
  await hideAfter("Hello, world");
  edge.frames = FRAMES;
  expect(await createClient({ edgeUrl: edge.url, persist }).stream("s").text()).toBe("Hello, world");
});

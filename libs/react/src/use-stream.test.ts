import { createClient, type Client } from "@sluice/client";
import { chunkFrame, startHostileEdge, type HostileEdge } from "@sluice/testing";
import { Window } from "happy-dom";
import { act, createElement, StrictMode, type ReactElement } from "react";
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
  vi.spyOn(Math, "random").mockReturnValue(0);
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
const FRAMES = [text(1, "Hello"), text(2, ", world"), chunkFrame(3, { type: "Complete", summary: null })];

let view: ReturnType<typeof useStream> | null = null;
let textView: ReturnType<typeof useStreamText> | null = null;

function Chunks({ id, options }: { id: string | null; options?: UseStreamOptions }): null {
  renders++;
  view = useStream(id, options);
  return null;
}

function Text({ id }: { id: string | null }): null {
  renders++;
  textView = useStreamText(id);
  return null;
}

const render = (element: ReactElement): Promise<void> =>
  act(async () =>
    root.render(createElement(StrictMode, null, createElement(SluiceProvider, { client }, element))),
  );

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
    edge.treatments = [{ status: 404 }];
    await render(createElement(Text, { id: "s" }));
    await eventually(() => textView?.state === "failed");
    expect(textView?.error).toMatchObject({ code: "HTTP_404" });
  });

  test("stops a stream", async () => {
    edge.frames = FRAMES.slice(0, 1);
    edge.treatments = [{ stays: true }];
    await render(createElement(Text, { id: "s" }));
    await eventually(() => textView?.text === "Hello");
    edge.treatments = [{ status: 404 }];
    await expect(textView?.cancel()).rejects.toMatchObject({ code: "HTTP_404" });
    expect(edge.requests.at(-1)).toBe("POST /streams/s/cancel");
  });
});

import { chunkFrame, startHostileEdge, type HostileEdge } from "@sluice/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient, type StorageLike, type StreamOptions } from "./index.ts";

let edge: HostileEdge;
let stored: Map<string, string>;
let storage: StorageLike;

beforeEach(async () => {
  edge = await startHostileEdge();
  stored = new Map();
  storage = {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => void stored.set(key, value),
    removeItem: (key) => void stored.delete(key),
  };
  vi.spyOn(Math, "random").mockReturnValue(1);
});

afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  await edge[Symbol.asyncDispose]();
});

const eventually = (isTrue: () => boolean): Promise<boolean> =>
  vi.waitUntil(isTrue, { timeout: 10_000, interval: 5 });

const FRAMES = [
  chunkFrame(1, { type: "Text", content: "Hello" }),
  chunkFrame(2, { type: "Text", content: ", world" }),
  chunkFrame(3, { type: "Complete", summary: null }),
];

/** Each is a page of its own: nothing but the storage outlives it. */
const openPage = (options: StreamOptions = {}) =>
  createClient({ edgeUrl: edge.url, persist: storage }).stream("s", options);

test("a page that is loaded anew goes on where it was, with the text it had", async () => {
  edge.frames = FRAMES.slice(0, 1);
  edge.treatments = [{ stays: true }];
  const before = openPage();
  before.on("text", () => {});
  await eventually(() => before.textSoFar === "Hello" && stored.size === 1);
  edge.frames = FRAMES;
  const after = openPage();
  const seen: string[] = [];
  after.on("text", (text) => seen.push(text));
  expect(await after.text()).toBe("Hello, world");
  expect(seen).toEqual(["Hello", "Hello, world"]);
  expect(edge.requests).toEqual(["GET /streams/s/events", "GET /streams/s/events @ 1"]);
  before.close();
});

test("of a stream that has ended nothing is asked again, and its text is there", async () => {
  edge.frames = FRAMES;
  await openPage().text();
  const after = openPage();
  expect(await after.text()).toBe("Hello, world");
  expect(after.end?.status).toBe("completed");
  expect(edge.requests).toHaveLength(1);
});

test("what was saved last is what the page had as it went away", async () => {
  const page = new EventTarget();
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
  edge.frames = FRAMES.slice(0, 2);
  edge.treatments = [{ stays: true }];
  const before = openPage();
  before.on("text", (text) => {
    if (text === "Hello, world") page.dispatchEvent(new Event("pagehide"));
  });
  await eventually(() => before.cursor === 2);
  expect(JSON.parse(stored.get("sluice:s") ?? "")).toEqual({
    cursor: 2,
    text: "Hello, world",
    hasGaps: false,
  });
  before.close();
});

test("a stream that is read as chunks is read from its beginning on every page, and stores nothing", async () => {
  edge.frames = FRAMES;
  for (let page = 0; page < 2; page++) {
    const sequences: number[] = [];
    for await (const { sequence } of openPage()) sequences.push(sequence);
    expect(sequences).toEqual([1, 2, 3]);
  }
  expect(stored.size).toBe(0);
  expect(await openPage().text()).toBe("Hello, world");
});

test.each([
  ["from", { from: 2 }],
  ["tail", { tail: 2 }],
  ["resume_token", { resumeToken: btoa("s:1") }],
])("where %s says to begin, it begins; what is stored stays the whole text's", async (name, start) => {
  edge.frames = FRAMES;
  await openPage().text();
  const before = new Map(stored);
  const later = openPage(start);
  later.on("text", () => {});
  await eventually(() => later.state === "ended");
  expect(edge.requests[1]).toContain(`?${name}=`);
  expect(stored).toEqual(before);
});

test("a text of an earlier page that lost its end is read again, and is whole", async () => {
  edge.frames = FRAMES.slice(0, 2);
  edge.treatments = [{ stays: true }];
  const before = openPage();
  before.on("text", () => {});
  await eventually(() => before.textSoFar === "Hello, world" && stored.size > 0);
  before.close();
  const data = { stream_id: "s", reset: true, cursor: 2, head: 1, reason: "cursor_ahead" };
  edge.frames = [{ from: 3, to: 3, text: `id: 1\nevent: gap\ndata: ${JSON.stringify(data)}\n\n` }];
  const after = openPage();
  after.on(
    "gap",
    () =>
      (edge.frames = [FRAMES[0], chunkFrame(2, { type: "Complete", summary: null })].flatMap(
        (frame) => frame ?? [],
      )),
  );
  expect(await after.text()).toBe("Hello");
});

test("a hole in the text is remembered, too", async () => {
  const gap = 'id: 1\nevent: gap\ndata: {"stream_id":"s","from":1,"to":1,"reason":"expired"}\n\n';
  edge.frames = [{ from: 1, to: 1, text: gap }, ...FRAMES.slice(1)];
  await expect(openPage().text()).rejects.toMatchObject({ code: "INCOMPLETE" });
  await expect(openPage().text()).rejects.toMatchObject({ code: "INCOMPLETE" });
  expect(edge.requests).toHaveLength(1);
});

test("a text that the storage won't take is read again from its beginning", async () => {
  storage.setItem = () => {
    throw new Error("QuotaExceededError");
  };
  stored.set("sluice:s", JSON.stringify({ cursor: 1, text: "Hello" }));
  edge.frames = FRAMES;
  expect(await openPage().text()).toBe("Hello, world");
  expect(stored.size).toBe(0);
});

test("a storage that is full gives up the texts of other streams, and nothing of the application's", async () => {
  const page: Record<string, string> = { "sluice:old": "{}", "sluice:older": "{}", theirs: "kept" };
  // Its entries are its own properties, as those of a page's storage are.
  const full = Object.create({
    getItem: (key: string) => page[key] ?? null,
    setItem: (key: string, value: string) => {
      if (Object.keys(page).length === 3) throw new Error("QuotaExceededError");
      page[key] = full[key] = value;
    },
    removeItem: (key: string) => {
      delete page[key];
      delete full[key];
    },
  }) as StorageLike & Record<string, string>;
  Object.assign(full, page);
  storage = full;
  edge.frames = FRAMES;
  await openPage().text();
  expect(Object.keys(page)).toEqual(["theirs", "sluice:s"]);
  expect(await openPage().text()).toBe("Hello, world");
  expect(edge.requests).toHaveLength(1);
});

test("what only failed for now is remembered, for a page that has more luck", async () => {
  stored.set("sluice:s", JSON.stringify({ cursor: 1, text: "Hello" }));
  edge.treatments = [{ status: 500 }];
  const stream = createClient({ edgeUrl: edge.url, persist: storage, maxAttempts: 0 }).stream("s");
  stream.on("text", () => {});
  await eventually(() => stream.state === "failed");
  expect(stored.size).toBe(1);
});

test("what failed for good is forgotten", async () => {
  stored.set("sluice:s", JSON.stringify({ cursor: 1, text: "Hello" }));
  edge.treatments = [{ status: 410 }];
  const stream = openPage();
  stream.on("text", () => {});
  await eventually(() => stream.state === "failed");
  expect(stored.size).toBe(0);
});

test("where there is no storage, or none may be used, streams are read all the same", async () => {
  vi.stubGlobal("sessionStorage", undefined);
  edge.frames = FRAMES;
  const client = createClient({ edgeUrl: edge.url, persist: true });
  expect(await client.stream("s").text()).toBe("Hello, world");
});

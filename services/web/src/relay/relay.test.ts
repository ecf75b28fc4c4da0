import type { Chunk, ChunkType } from "@sluice/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { textOf, type Reading } from "./reading.ts";
import { Relay, type FromRelay, type PagePort, type SourceEvents } from "./relay.ts";

/** A stream that the test writes. */
interface Source {
  readonly streamId: string;
  readonly events: SourceEvents;
  isOpen: boolean;
}

/** A page, which puts together what it is sent as the pages do. */
class Page implements PagePort {
  reading: Reading | null = null;

  postMessage(message: FromRelay): void {
    // As a MessagePort does: what is changed later must not change here.
    const copy = structuredClone(message);
    if (copy.kind === "reading") this.reading = copy.reading;
    else if (this.reading !== null) {
      this.reading = {
        ...this.reading,
        status: copy.status,
        pieces: [...this.reading.pieces, ...copy.pieces],
      };
    }
  }

  get text(): string {
    return textOf(this.reading?.pieces ?? []);
  }
}

let sources: Source[];
let waiting: (() => void)[];
let relay: Relay;

beforeEach(() => {
  vi.useFakeTimers();
  sources = [];
  waiting = [];
  relay = new Relay({
    open: (streamId, events) => {
      const source = { streamId, events, isOpen: true };
      sources.push(source);
      return { close: () => void (source.isOpen = false) };
    },
    soon: (callback) => waiting.push(callback),
    lingerMs: 1_000,
  });
});
afterEach(() => {
  vi.useRealTimers();
});

function pass(): void {
  for (const callback of waiting.splice(0)) callback();
}

function chunk(sequence: number, type: ChunkType): Chunk {
  const metadata = { source: "", content_type: "", compression: null, cache_ttl: null, custom: {} };
  return { stream_id: "s", sequence, chunk_type: type, data: null, metadata, timestamp: 0 };
}

const text = (sequence: number, content: string): Chunk => chunk(sequence, { type: "Text", content });

function follow(page: Page, streamId = "s"): Source {
  relay.take(page, { kind: "follow", streamId });
  const source = sources.at(-1);
  if (source === undefined) throw new Error("nothing was opened");
  return source;
}

test("a stream is opened once, however many pages follow it, and each gets all of it", () => {
  const pages = Array.from({ length: 8 }, () => new Page());
  const [first, ...others] = pages;
  const { events } = follow(first!);
  events.onChunk(text(1, "All "));
  events.onChunk(text(2, "of "));
  for (const page of others) follow(page);
  events.onChunk(text(3, "it."));
  pass();
  events.onChunk(chunk(4, { type: "Complete", summary: null }));
  pass();
  expect(sources).toHaveLength(1);
  expect(pages.map((page) => page.text)).toEqual(pages.map(() => "All of it."));
  expect(pages.map((page) => page.reading?.status)).toEqual(
    pages.map(() => expect.objectContaining({ state: "completed", sequence: 4 }) as unknown),
  );
});

test("a page that comes between two batches gets nothing twice", () => {
  const [early, late] = [new Page(), new Page()];
  const { events } = follow(early);
  events.onChunk(text(1, "once "));
  follow(late);
  pass();
  events.onChunk(text(2, "only"));
  pass();
  expect([early.text, late.text]).toEqual(["once only", "once only"]);
});

test("a stream that no page follows is read on for a moment, since a reload takes less, and then closed", () => {
  const page = new Page();
  const source = follow(page);
  relay.take(page, { kind: "bye" });
  vi.advanceTimersByTime(900);
  const reloaded = new Page();
  source.events.onChunk(text(1, "went on"));
  follow(reloaded);
  vi.advanceTimersByTime(5_000);
  expect([sources.length, source.isOpen, reloaded.text]).toEqual([1, true, "went on"]);

  relay.take(reloaded, { kind: "leave", streamId: "s" });
  vi.advanceTimersByTime(1_001);
  expect(source.isOpen).toBe(false);
  follow(new Page());
  expect(sources).toHaveLength(2);
});

test("a page that leaves one stream keeps its others", () => {
  const page = new Page();
  const left = follow(page, "a");
  const kept = follow(page, "b");
  relay.take(page, { kind: "leave", streamId: "a" });
  vi.advanceTimersByTime(1_001);
  expect([left.isOpen, kept.isOpen]).toEqual([false, true]);
});

test("reconnects are counted, and a loss after the end changes nothing", () => {
  const page = new Page();
  const { events } = follow(page);
  for (const state of ["live", "reconnecting", "reconnecting", "live", "reconnecting", "live"] as const)
    events.onState(state);
  events.onChunk(chunk(1, { type: "Error", error: "Stopped by the user.", code: "CANCELLED" }));
  events.onState("reconnecting");
  pass();
  expect(page.reading?.status).toMatchObject({
    state: "stopped",
    reconnects: 2,
    detail: "Stopped by the user.",
  });
});

test("a gap stands where the missing text would", () => {
  const page = new Page();
  const { events } = follow(page);
  events.onChunk(text(1, "before"));
  events.onGap(2, 9, "expired");
  events.onChunk(text(10, "after"));
  pass();
  expect(page.reading?.pieces).toEqual([
    { kind: "text", text: "before" },
    { kind: "gap", from: 2, to: 9, reason: "expired" },
    { kind: "text", text: "after" },
  ]);
});

test("where the stream is another than was read, all pages begin anew", () => {
  const page = new Page();
  const first = follow(page);
  first.events.onChunk(text(1, "of another log"));
  first.events.onReset();
  sources.at(-1)?.events.onChunk(text(1, "true"));
  pass();
  expect([first.isOpen, page.text]).toEqual([false, "true"]);
});

test.each(["missing", "unreadable"] as const)(
  "a stream that was %s is asked for again by the next page, and those that show it have it, too",
  (state) => {
    const pages = [new Page(), new Page()] as const;
    follow(pages[0]).events.onState(state);
    pass();
    follow(pages[1]).events.onChunk(text(1, "here"));
    pass();
    expect(sources).toHaveLength(2);
    expect(pages.map((page) => page.text)).toEqual(["here", "here"]);
  },
);

test("of streams that nobody follows any more the oldest are forgotten", () => {
  const page = new Page();
  for (let number = 0; number < 60; number++) {
    follow(page, `s${number}`).events.onChunk(chunk(1, { type: "Complete", summary: null }));
    pass();
    relay.take(page, { kind: "leave", streamId: `s${number}` });
  }
  expect(sources.filter(({ isOpen }) => isOpen).length).toBeLessThanOrEqual(50);
});

import type { Chunk } from "@sluice/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { playPaced } from "./play-paced.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const TIMES = [0, 400, 500, 3_600_500];

async function* chunks(): AsyncGenerator<Chunk> {
  const metadata = { source: "", content_type: "", compression: null, cache_ttl: null, custom: {} };
  for (const [index, timestamp] of TIMES.entries()) {
    const chunk_type = { type: "Text", content: "x" } as const;
    yield { stream_id: "s", sequence: index + 1, chunk_type, data: null, metadata, timestamp };
  }
}

async function play(factor: number): Promise<[sequence: number, atMs: number][]> {
  const startMs = Date.now();
  const played: [number, number][] = [];
  const playing = playPaced(chunks(), factor, new AbortController().signal, ({ sequence }) => {
    played.push([sequence, Date.now() - startMs]);
  });
  await vi.runAllTimersAsync();
  await playing;
  return played;
}

test("a replay has the pauses that the stream had, but none of an hour", async () => {
  expect(await play(1)).toEqual([
    [1, 0],
    [2, 400],
    [3, 500],
    [4, 3_500],
  ]);
});

test("a replay can be faster, or at once", async () => {
  expect((await play(4)).slice(0, 3)).toEqual([
    [1, 0],
    [2, 100],
    [3, 125],
  ]);
  expect((await play(Infinity)).map(([, atMs]) => atMs)).toEqual([0, 0, 0, 0]);
});

test("a replay that is stopped hands on nothing more", async () => {
  const controller = new AbortController();
  const taken: number[] = [];
  const playing = playPaced(chunks(), 1, controller.signal, ({ sequence }) => taken.push(sequence));
  await vi.advanceTimersByTimeAsync(100);
  controller.abort();
  await vi.runAllTimersAsync();
  await playing;
  expect(taken).toEqual([1]);
});

import type { TailAnnouncement } from "@sluice/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TailAnnouncer } from "./tail-announcer.ts";

const SECOND_MS = 1_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function startAnnouncer(): { announcer: TailAnnouncer; said: TailAnnouncement[] } & Disposable {
  const said: TailAnnouncement[] = [];
  const announcer = new TailAnnouncer(3, { publishTail: (tail) => void said.push(tail) });
  announcer.start(() => 42);
  return { announcer, said, [Symbol.dispose]: () => announcer.close() };
}

test("each change is announced three times, a second apart, and silence is announced as well", () => {
  using stand = startAnnouncer();
  stand.announcer.note("a", 7, true);
  vi.advanceTimersByTime(4 * SECOND_MS);
  const told = [{ streamId: "a", head: 7, hasEnded: true }];
  expect(stand.said.map(({ streams }) => streams)).toEqual([told, told, told, []]);
  expect(stand.said.map(({ serial }) => serial)).toEqual([1, 2, 3, 4]);
});

test("more changes than fit into one message are announced in several, each with a serial of its own", () => {
  using stand = startAnnouncer();
  const ids = Array.from({ length: 2_500 }, (_, stream) => `${stream}-`.padEnd(128, "x"));
  for (const id of ids) stand.announcer.note(id, 1, false);
  vi.advanceTimersByTime(SECOND_MS);
  expect(stand.said.map(({ serial, checkpoint }) => [serial, checkpoint])).toEqual([
    [1, 42],
    [2, 42],
    [3, 42],
  ]);
  expect(stand.said.flatMap(({ streams }) => streams.map(({ streamId }) => streamId))).toEqual(ids);
  for (const tail of stand.said) expect(JSON.stringify(tail).length).toBeLessThan(256 * 1024);
});

test("a new stream is announced at once, with those that were created with it, and again like any change", () => {
  using stand = startAnnouncer();
  stand.announcer.note("old", 7, false);
  stand.announcer.noteCreated("a");
  stand.announcer.noteCreated("b");
  vi.advanceTimersByTime(100);
  const created = ["a", "b"].map((streamId) => ({ streamId, head: 0, hasEnded: false }));
  expect(stand.said.map(({ streams }) => streams)).toEqual([created]);
  stand.announcer.note("a", 3, false);
  stand.announcer.noteCreated("a");
  vi.advanceTimersByTime(SECOND_MS);
  expect(stand.said.map(({ serial }) => serial)).toEqual([1, 2, 3]);
  expect(stand.said[2]?.streams).toEqual(
    expect.arrayContaining([
      { streamId: "old", head: 7, hasEnded: false },
      { streamId: "a", head: 3, hasEnded: false },
      { streamId: "b", head: 0, hasEnded: false },
    ]),
  );
});

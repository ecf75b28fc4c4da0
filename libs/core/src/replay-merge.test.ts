import { describe, expect, it } from "vitest";
import { ReplayMerge, type LiveRange, type Page } from "./replay-merge.ts";

describe("ReplayMerge", () => {
  const bounds = { maxChunks: 10, maxBytes: 1_000 };
  const range = (first: number, last: number, more: Partial<LiveRange> = {}): LiveRange => {
    return { first, last, isTerminal: false, frames: new Uint8Array(last - first + 1), ...more };
  };
  const page = (from: number, to: number, more: Partial<Page<{ sequence: number }>> = {}) => {
    const chunks = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => ({
      sequence: from + index,
    }));
    return { chunks, head: to, hasEnded: false, ...more };
  };
  const live = (cursor: number): ReplayMerge => {
    const merge = new ReplayMerge(cursor, bounds);
    merge.onPageRequested();
    merge.onPage(page(cursor + 1, cursor));
    return merge;
  };

  it("sends held ranges after the page that they follow, older ones not again", () => {
    const merge = new ReplayMerge(0, bounds);
    merge.onPageRequested();
    for (const held of [range(2, 3), range(4, 4), range(5, 6)]) expect(merge.onLive(held)).toBe("ignore");
    const verdict = merge.onPage(page(1, 3));
    expect(verdict.chunks.map((chunk) => chunk.sequence)).toEqual([1, 2, 3]);
    expect(verdict.ranges.map((held) => held.first)).toEqual([4, 5]);
    expect(verdict.next).toBe("live");
    expect(merge.cursor).toBe(6);
  });

  it("reads another page after an overflow of the hold, because the page was read before what was dropped", () => {
    const merge = new ReplayMerge(0, bounds);
    merge.onPageRequested();
    merge.onLive(range(1, 11));
    expect(merge.heldChunks).toBe(0);
    expect(merge.onPage(page(1, 0)).next).toBe("read");
    merge.onPageRequested();
    expect(merge.onPage(page(1, 11)).next).toBe("live");
  });

  it("asks for a page once when a live range leaves a hole, and again for a range that was announced without frames", () => {
    const merge = live(5);
    expect(merge.onLive(range(7, 7))).toBe("read");
    expect(merge.onLive(range(8, 8))).toBe("ignore");
    merge.onPageRequested();
    expect(merge.onPage(page(6, 8)).next).toBe("live");
    expect(merge.onLive(range(9, 9, { frames: null }))).toBe("read");
  });

  it("does not go live on a page that was asked for before the reader lagged and resumed", () => {
    const merge = new ReplayMerge(0, bounds);
    merge.onPageRequested();
    merge.lag();
    merge.onLive(range(3, 3));
    merge.resume();
    expect(merge.onPage(page(1, 2)).next).toBe("read");
  });

  it("does not go live on a page that was asked for before a tail announced more", () => {
    const merge = new ReplayMerge(0, bounds);
    merge.onPageRequested();
    merge.resume();
    expect(merge.onPage(page(1, 2)).next).toBe("read");
  });

  it("does not read for ever where the cache has lost what the feed announced", () => {
    const merge = live(5);
    expect(merge.onLive(range(8, 9))).toBe("read");
    merge.onPageRequested();
    expect(merge.onPage(page(6, 5)).next).toBe("live");
  });

  it("passes over what a page repeats", () => {
    const merge = new ReplayMerge(2, bounds);
    merge.onPageRequested();
    expect(merge.onPage(page(1, 3)).chunks).toEqual([{ sequence: 3 }]);
  });

  it("holds nothing that went out already, and nothing while it lags", () => {
    const merge = new ReplayMerge(5, bounds);
    merge.onPageRequested();
    merge.onLive(range(4, 5));
    expect([merge.heldChunks, merge.heldBytes]).toEqual([0, 0]);
    merge.onLive(range(6, 7));
    expect([merge.heldChunks, merge.heldBytes]).toEqual([2, 2]);
    merge.lag();
    merge.onLive(range(8, 8));
    expect([merge.heldChunks, merge.heldBytes]).toEqual([0, 0]);
  });

  it("starts over after a reset, with a page that is asked for afterwards", () => {
    const merge = live(9);
    merge.resetTo(3);
    expect(merge.onPage(page(4, 3)).next).toBe("read");
    merge.onPageRequested();
    expect(merge.onPage(page(4, 4)).next).toBe("live");
    expect(merge.cursor).toBe(4);
  });

  it("stays ended whatever it is told", () => {
    const merge = new ReplayMerge(0, bounds);
    merge.onPageRequested();
    expect(merge.onPage(page(1, 2, { hasEnded: true })).next).toBe("ended");
    merge.lag();
    merge.resume();
    merge.resetTo(0);
    merge.skipTo(9);
    expect(merge.onLive(range(3, 3))).toBe("ignore");
    expect(merge.onPage(page(1, 5)).chunks).toEqual([]);
    expect([merge.phase, merge.cursor]).toEqual(["ended", 2]);
  });
});

import { describe, expect, it } from "vitest";
import { paced, systemPacer, type Pacer } from "./paced.ts";

const never = new AbortController().signal;

/** Stands still unless waited on; each wait takes `latenessMs` longer than asked for. */
class FakePacer implements Pacer {
  now = 5_000;
  waits = 0;
  readonly #latenessMs: number;

  constructor(latenessMs: number) {
    this.#latenessMs = latenessMs;
  }

  nowMs(): number {
    return this.now;
  }

  async waitMs(ms: number): Promise<void> {
    this.waits++;
    this.now += ms + this.#latenessMs;
  }
}

async function times(perSecond: number, count: number, pacer: FakePacer, takeMs = 0): Promise<number[]> {
  const seen: number[] = [];
  for await (const _ of paced(Array.from({ length: count }), perSecond, never, pacer)) {
    seen.push(pacer.now - 5_000);
    pacer.now += takeMs;
  }
  return seen;
}

describe("paced", () => {
  it("sends the first item at once and the n-th n intervals later", async () => {
    expect(await times(50, 4, new FakePacer(0))).toEqual([0, 20, 40, 60]);
  });

  it("does not add up the lateness of timers", async () => {
    const seen = await times(50, 1_001, new FakePacer(3));
    expect(seen.at(-1)).toBeLessThanOrEqual(1_000 * 20 + 3);
  });

  it("does not run ahead where the timer fires early", async () => {
    const seen = await times(50, 1_001, new FakePacer(-0.4));
    for (const [index, time] of seen.entries()) expect(time).toBeGreaterThanOrEqual(index * 20);
  });

  it("catches up at once after a taker that was slow, and keeps the rate over all", async () => {
    const pacer = new FakePacer(0);
    const seen: number[] = [];
    for await (const index of paced([0, 1, 2, 3, 4, 5], 10, never, pacer)) {
      seen.push(pacer.now - 5_000);
      if (index === 1) pacer.now += 350;
    }
    expect(seen).toEqual([0, 100, 450, 450, 450, 500]);
  });

  it("reaches rates above one a millisecond", async () => {
    const seen = await times(10_000, 10_001, new FakePacer(0));
    expect(seen.at(-1)).toBe(1_000);
  });

  it("never waits at rate 0", async () => {
    const pacer = new FakePacer(0);
    expect(await times(0, 1_000, pacer)).toHaveLength(1_000);
    expect(pacer.waits).toBe(0);
  });

  it("ends a wait at once when it is aborted, with the reason", async () => {
    const controller = new AbortController();
    const items = paced([1, 2], 0.001, controller.signal, systemPacer);
    await items.next();
    const second = items.next();
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(second).rejects.toBe(reason);
  });
});

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReplayMerge, type LiveRange, type Page, type PageVerdict } from "./replay-merge.ts";

/**
 * One stream, and one reader whose owner does exactly what the machine says.
 *
 * The log only grows. The cache follows it, but loses chunks (expiry) or its newest part (fail-over to an older copy),
 * which comes back when ingest applies the log again. The live feed loses, doubles, delays and reorders. Pages are read
 * in one step at some moment between question and answer.
 *
 * A schedule is a list of steps. A step that makes no sense when its turn comes does nothing, so a failing schedule
 * stays valid while fast-check shortens it.
 */
class World {
  readonly merge: ReplayMerge;
  readonly tally = new Set<string>();
  readonly #pageSize: number;
  readonly #bounds = { maxChunks: 6, maxBytes: 45 };

  #logHead: number;
  #logHasEnded = false;
  #firstInLog = 1;
  #cacheHead: number;
  #cached = new Set<number>();
  #feed: LiveRange[] = [];

  #wants: "page" | "rebuild" | null = "page";
  #asked: { after: number; page: Page<{ sequence: number }> | null; heardSince: boolean } | null = null;
  #next: number;

  constructor(start: { logHead: number; cursor: number; pageSize: number }) {
    this.#logHead = start.logHead;
    this.#cacheHead = start.logHead;
    for (let sequence = 1; sequence <= start.logHead; sequence++) this.#cached.add(sequence);
    this.#pageSize = start.pageSize;
    this.#next = start.cursor + 1;
    this.merge = new ReplayMerge(start.cursor, this.#bounds);
  }

  take([name, size]: Step): void {
    const hadEnded = this.merge.phase === "ended";
    const before = this.#next;
    this.#run(name, size);
    if (hadEnded && (this.#next !== before || this.merge.phase !== "ended"))
      throw new Error("something went out after the end");
    const { heldChunks, heldBytes } = this.merge;
    if (heldChunks < 0 || heldChunks > this.#bounds.maxChunks) throw new Error(`holds ${heldChunks} chunks`);
    if (heldBytes < 0 || heldBytes > this.#bounds.maxBytes) throw new Error(`holds ${heldBytes} bytes`);
  }

  #run(name: StepName, size: number): void {
    switch (name) {
      case "append":
        return this.#append(size, { isTerminal: false, withFrames: size !== 3 });
      case "end":
        if (size > 2) return;
        return this.#append(size, { isTerminal: true, withFrames: size === 1 });
      case "deliver":
        return this.#hear(this.#feed.splice(size % Math.max(1, this.#feed.length), 1)[0]);
      case "deliverTwice":
        return this.#hear(this.#feed[size % Math.max(1, this.#feed.length)]);
      case "lose":
        this.#feed.splice(size % Math.max(1, this.#feed.length), 1);
        return;
      case "ask":
        return this.#askForPage();
      case "readCache":
        return this.#readCache();
      case "answer":
        return this.#answer();
      case "askAndAnswer":
        for (const name of ["rebuild", "ask", "readCache", "answer"] as const) this.#run(name, size);
        return;
      case "failPage":
        if (this.#asked === null) return;
        this.#asked = null;
        this.#wants ??= "page";
        return;
      case "rebuild":
        return this.#rebuild();
      case "expire":
        this.#cached.delete(this.#cacheHead - size);
        return;
      case "ageLog":
        this.#firstInLog = Math.min(this.#firstInLog + size, this.#logHead + 1);
        return;
      case "rollBack":
        return this.#rollBack(size);
      case "reapply":
        return this.#reapply({ isPublished: true });
      case "lag":
        if (this.merge.phase !== "ended") this.tally.add("lag");
        return this.merge.lag();
      case "resume":
        return this.#resume();
    }
  }

  /** Faults stop: the stream ends, the cache has caught up, the live feed lost all that was on its way. */
  endInSilence(): void {
    if (!this.#logHasEnded) this.#append(1, { isTerminal: true, withFrames: true });
    this.#reapply({ isPublished: false });
    this.#feed = [];
  }

  /** Everything still on its way arrives, the end among it. */
  endAudibly(): void {
    if (!this.#logHasEnded) this.#append(1, { isTerminal: true, withFrames: true });
    while (this.#feed.length > 0) this.take(["deliver", 0]);
    if (this.merge.phase === "lagging") this.#resume();
  }

  /** The owner goes on doing what it was told, and nothing else happens. */
  followVerdicts(): void {
    const rounds = 4 * (this.#logHead + 5);
    for (let round = 0; round < rounds && (this.#wants !== null || this.#asked !== null); round++) {
      this.take(["askAndAnswer", 0]);
    }
    if (this.#wants !== null || this.#asked !== null)
      throw new Error(`still asks for pages after ${rounds} rounds`);
  }

  expectComplete(): void {
    if (this.merge.phase !== "ended")
      throw new Error(`hangs in ${this.merge.phase} after ${this.#next - 1} of ${this.#logHead}`);
    if (this.#next !== this.#logHead + 1)
      throw new Error(`ended after ${this.#next - 1} of ${this.#logHead}`);
  }

  #append(count: number, how: { isTerminal: boolean; withFrames: boolean }): void {
    if (this.#logHasEnded) return;
    // Ingest applies in log order: what the cache has lost comes back first.
    this.#reapply({ isPublished: true });
    const first = this.#logHead + 1;
    this.#logHead += count;
    this.#logHasEnded = how.isTerminal;
    this.#store(first, this.#logHead);
    this.#feed.push(this.#range(first, this.#logHead, how.withFrames));
  }

  #range(first: number, last: number, withFrames: boolean): LiveRange {
    const frames = withFrames ? new Uint8Array(10 * (last - first + 1)) : null;
    return { first, last, isTerminal: this.#logHasEnded && last === this.#logHead, frames };
  }

  #store(first: number, last: number): void {
    for (let sequence = first; sequence <= last; sequence++) this.#cached.add(sequence);
    this.#cacheHead = Math.max(this.#cacheHead, last);
  }

  #rollBack(count: number): void {
    this.#cacheHead = Math.max(0, this.#cacheHead - count);
    for (const sequence of this.#cached) if (sequence > this.#cacheHead) this.#cached.delete(sequence);
  }

  #reapply(how: { isPublished: boolean }): void {
    if (this.#cacheHead === this.#logHead) return;
    const first = this.#cacheHead + 1;
    this.#store(first, this.#logHead);
    if (how.isPublished) this.#feed.push(this.#range(first, this.#logHead, true));
  }

  #hear(range: LiveRange | undefined): void {
    if (range === undefined) return;
    if (this.#asked !== null) this.#asked.heardSince = true;
    const verdict = this.merge.onLive(range);
    if (verdict === "send") this.#sendFrames(range);
    if (verdict === "read") this.#wants = "page";
    this.tally.add(`live ${verdict}`);
  }

  #askForPage(): void {
    if (this.#wants !== "page" || this.#asked !== null) return;
    this.#wants = null;
    this.merge.onPageRequested();
    this.#asked = { after: this.merge.cursor, page: null, heardSince: false };
  }

  #readCache(): void {
    const asked = this.#asked;
    if (asked === null || asked.page !== null) return;
    const chunks = [...this.#cached]
      .filter((sequence) => sequence > asked.after)
      .sort((a, b) => a - b)
      .slice(0, this.#pageSize)
      .map((sequence) => ({ sequence }));
    const hasEnded = this.#logHasEnded && this.#cacheHead === this.#logHead;
    asked.page = { chunks, head: this.#cacheHead, hasEnded };
  }

  #answer(): void {
    const asked = this.#asked;
    if (asked === null || asked.page === null) return;
    this.#asked = null;
    const verdict = this.merge.onPage(asked.page);
    for (const chunk of verdict.chunks) this.#send({ first: chunk.sequence, last: chunk.sequence });
    for (const range of verdict.ranges) this.#sendFrames(range);
    if (verdict.ranges.length > 0) this.tally.add("merged");
    this.tally.add(`page ${verdict.next}`);
    const isIdle = verdict.chunks.length === 0 && verdict.ranges.length === 0;
    if (isIdle && verdict.next === "read" && !asked.heardSince)
      throw new Error("spins: reads again although nothing is new");
    this.#obey(verdict.next);
  }

  #obey(next: PageVerdict<never>["next"]): void {
    if (next === "read") this.#wants = "page";
    if (next === "rebuild" || next === "behind") this.#wants = "rebuild";
  }

  /** Ingest's answer: what the log still holds is in the cache again; the owner tells the reader of the rest. */
  #rebuild(): void {
    if (this.#wants !== "rebuild") return;
    this.#wants = "page";
    this.#store(this.#firstInLog, this.#logHead);
    if (this.#logHead < this.merge.cursor) {
      this.tally.add("reset");
      this.merge.resetTo(this.#logHead);
      this.#next = this.#logHead + 1;
      return;
    }
    const missing = this.#firstInLog - 1;
    if (missing < this.#next || this.#cached.has(this.#next)) return;
    this.tally.add("gap");
    this.merge.skipTo(missing);
    this.#next = missing + 1;
  }

  /** The reader has drained, or a tail announcement shows more than went out. */
  #resume(): void {
    if (this.merge.phase === "ended") return;
    this.merge.resume();
    if (this.#asked !== null) this.#asked.heardSince = true;
    this.#wants ??= "page";
  }

  #sendFrames(range: LiveRange): void {
    if (range.frames === null) throw new Error(`has no frames of ${range.first} to send`);
    this.#send(range);
  }

  #send(range: { first: number; last: number }): void {
    if (range.first !== this.#next) throw new Error(`sent ${range.first}, not ${this.#next}`);
    if (range.last < range.first) throw new Error("sent an empty range");
    this.#next = range.last + 1;
    if (this.merge.cursor < range.last) throw new Error("the cursor is behind what went out");
  }
}

const READER = ["askAndAnswer", "askAndAnswer", "ask", "readCache", "answer", "failPage"] as const;
const FAITHFUL = ["append", "append", "append", "end", "deliver", "deliver", "deliver", ...READER] as const;
const PACE = ["lag", "resume"] as const;
const FAULTS = [
  "deliverTwice",
  "lose",
  "rebuild",
  "rebuild",
  "expire",
  "ageLog",
  "rollBack",
  "reapply",
] as const;
type StepName = (typeof FAITHFUL)[number] | (typeof PACE)[number] | (typeof FAULTS)[number];
type Step = readonly [StepName, number];

const schedule = (names: readonly StepName[]) =>
  fc.array(fc.tuple(fc.constantFrom(...names), fc.integer({ min: 1, max: 8 })), {
    maxLength: 80,
    size: "max",
  });
const start = fc.record({
  logHead: fc.integer({ min: 0, max: 12 }),
  cursor: fc.integer({ min: 0, max: 14 }),
  pageSize: fc.integer({ min: 1, max: 5 }),
});

describe("ReplayMerge under any schedule", () => {
  const reached = new Set<string>();

  it("sends every sequence once and in order, or in a declared gap, and ends after one resume, whatever was lost", () => {
    fc.assert(
      fc.property(start, schedule([...FAITHFUL, ...PACE, ...FAULTS]), (start, steps) => {
        const world = new World(start);
        for (const step of steps) world.take(step);
        world.endInSilence();
        world.take(["resume", 1]);
        world.followVerdicts();
        world.expectComplete();
        for (const situation of world.tally) reached.add(situation);
      }),
      { numRuns: 5_000 },
    );
  });

  it("needs nobody to remind it where the feed loses nothing", () => {
    fc.assert(
      fc.property(start, schedule([...FAITHFUL, ...PACE]), (start, steps) => {
        const world = new World({ ...start, cursor: Math.min(start.cursor, start.logHead) });
        for (const step of steps) world.take(step);
        world.endAudibly();
        world.followVerdicts();
        world.expectComplete();
        for (const situation of world.tally) reached.add(situation);
      }),
      { numRuns: 5_000 },
    );
  });

  it("was in every situation about which the schedules above are to prove something", () => {
    const live = ["live send", "live ignore", "live read", "merged", "lag"];
    const pages = ["page read", "page rebuild", "page behind", "page live", "page ended", "page dropped"];
    expect([...reached]).toEqual(expect.arrayContaining([...live, ...pages, "gap", "reset"]));
  });

  it("comes to rest when the feed is silent, even over a cache that has lost what the feed announced", () => {
    fc.assert(
      fc.property(start, schedule([...FAITHFUL, ...PACE, ...FAULTS]), fc.nat(8), (start, steps, lost) => {
        const world = new World(start);
        for (const step of steps) world.take(step);
        world.take(["rollBack", lost]);
        world.followVerdicts();
      }),
      { numRuns: 2_000 },
    );
  });
});

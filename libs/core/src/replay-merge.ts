/** Message of the live feed: sequences `first` … `last` exist; with their frames, unless those were too large to send. */
export interface LiveRange {
  first: number;
  last: number;
  /** The stream ends with `last`. */
  isTerminal: boolean;
  /** Ready-made SSE frames, shared by all subscribers and never changed; null: announced only, read them from the cache. */
  frames: Uint8Array | null;
}

/** One page of the cache, read in one atomic step together with the stream's head. */
export interface Page<T extends { sequence: number }> {
  /** Ascending; all after the cursor that was asked for, and as far as the page's bounds allow. */
  chunks: readonly T[];
  head: number;
  hasEnded: boolean;
}

export interface HoldBounds {
  maxChunks: number;
  maxBytes: number;
}

export type Phase = "replay" | "live" | "lagging" | "ended";

/** Verdict on a live range: write its frames, do nothing, or read a page. */
export type LiveVerdict = "send" | "ignore" | "read";

export interface PageVerdict<T> {
  /** Chunks of the page to send, in order; then `ranges`, the live ones that were held meanwhile. */
  chunks: readonly T[];
  ranges: readonly LiveRange[];
  /**
   * `read`: another page · `rebuild`: what comes next is missing in the cache, ask ingest for it and read again ·
   * `behind`: the cache's head is below the cursor, ask ingest · `live`: caught up · `ended`: all sent, the stream is over ·
   * `dropped`: nobody waits for this page, there is nothing to do.
   */
  next: "read" | "rebuild" | "behind" | "live" | "ended" | "dropped";
}

/**
 * One subscriber's way from replay to live: which sequence goes out next, and where it comes from.
 *
 *              page short of head, hole, overflow
 *               ┌──────┐
 *               ▼      │      caught up            hole: read
 *   start ──▶ replay ──┴───────────────────▶ live ─────────────▶ replay
 *               ▲ │                           │  └─ terminal ─▶ ended
 *               │ └──── ended at head ──────────────────────────▶ ended
 *   drained: read └───────── lagging ◀── reader too slow ─┘
 *
 * Pure: no I/O and no clock. The owner subscribes to the live feed first, then reads pages until told otherwise, and
 * gives every range and every page to this machine in the order of their arrival. It has at most one page on its way:
 * a next one is asked for when that has come or failed. In return each sequence after the first cursor goes out exactly
 * once and in order, or a gap is declared with `skipTo`.
 *
 * Why a page may lead to live: ranges are published only after the cache holds them, so whatever was heard before the
 * page was asked for is in the page, and what is heard later is held. Where that breaks (the hold overflowed, ranges
 * were ignored while lagging, a tail was lost), `#hasMissed` demands a page that is asked for afterwards.
 */
export class ReplayMerge {
  #phase: Phase = "replay";
  #cursor: number;
  #held: LiveRange[] = [];
  #heldChunks = 0;
  #heldBytes = 0;
  #hasMissed = false;
  readonly #bounds: HoldBounds;

  /** @param cursor the last sequence that the reader has; 0: none */
  constructor(cursor: number, bounds: HoldBounds) {
    this.#cursor = cursor;
    this.#bounds = bounds;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The last sequence that went out (or that the reader came with). */
  get cursor(): number {
    return this.#cursor;
  }

  /** Chunks held for after the page that is on its way; never above the bounds. */
  get heldChunks(): number {
    return this.#heldChunks;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Takes one range of the live feed. `read` comes once: the page then asked for contains this range, and later ones are held. */
  onLive(range: LiveRange): LiveVerdict {
    if (this.#phase === "replay") {
      this.#hold(range);
      return "ignore";
    }
    if (this.#phase !== "live" || range.last <= this.#cursor) return "ignore";
    if (range.first === this.#cursor + 1 && range.frames !== null) {
      this.#advanceTo(range);
      return "send";
    }
    this.#phase = "replay";
    return "read";
  }

  /** Notes that a page is asked for; call it before each request. Ranges that were held or missed before are in the page. */
  onPageRequested(): void {
    this.#dropHeld();
    this.#hasMissed = false;
  }

  /** Takes the page after the cursor. Meaningful in `replay` only; in any other phase it is dropped. */
  onPage<T extends { sequence: number }>(page: Page<T>): PageVerdict<T> {
    if (this.#phase === "ended") return { chunks: [], ranges: [], next: "ended" };
    if (this.#phase !== "replay") return { chunks: [], ranges: [], next: "dropped" };
    if (page.head < this.#cursor) return { chunks: [], ranges: [], next: "behind" };

    const chunks: T[] = [];
    for (const chunk of page.chunks) {
      if (chunk.sequence <= this.#cursor) continue;
      if (chunk.sequence !== this.#cursor + 1) return { chunks, ranges: [], next: "rebuild" };
      this.#cursor = chunk.sequence;
      chunks.push(chunk);
    }
    if (this.#cursor < page.head) {
      return { chunks, ranges: [], next: chunks.length === 0 ? "rebuild" : "read" };
    }
    if (page.hasEnded) {
      this.#end();
      return { chunks, ranges: [], next: "ended" };
    }
    const ranges = this.#mergeHeld();
    return { chunks, ranges, next: this.#nextAfterMerge() };
  }

  /** Declares everything up to `sequence` missing: the owner tells the reader of the gap and reads on after it. */
  skipTo(sequence: number): void {
    if (this.#phase !== "ended" && sequence > this.#cursor) this.#cursor = sequence;
  }

  /** The log knows less than the reader claims to have: start over after `sequence`. The owner tells the reader. */
  resetTo(sequence: number): void {
    if (this.#phase === "ended") return;
    this.#cursor = sequence;
    this.#phase = "replay";
    this.#hasMissed = true;
    this.#dropHeld();
  }

  /** The reader can't follow: stop taking live data. Nothing is lost, `resume` reads on from the cache. */
  lag(): void {
    if (this.#phase === "ended") return;
    this.#phase = "lagging";
    this.#dropHeld();
  }

  /**
   * The reader has caught its breath, or a tail was found lost: the owner reads a page next. If one is on its way already,
   * it doesn't lead to live: it may be older than what was missed.
   */
  resume(): void {
    if (this.#phase === "ended") return;
    this.#phase = "replay";
    this.#hasMissed = true;
  }

  #hold(range: LiveRange): void {
    if (range.last <= this.#cursor) return;
    this.#held.push(range);
    this.#heldChunks += range.last - range.first + 1;
    this.#heldBytes += range.frames?.byteLength ?? 0;
    if (this.#heldChunks > this.#bounds.maxChunks || this.#heldBytes > this.#bounds.maxBytes) {
      this.#dropHeld();
      this.#hasMissed = true;
    }
  }

  #mergeHeld(): LiveRange[] {
    const ranges: LiveRange[] = [];
    while (this.#phase === "replay" && this.#held[0] !== undefined) {
      const range = this.#held[0];
      if (range.last > this.#cursor) {
        if (range.first !== this.#cursor + 1 || range.frames === null) break;
        this.#advanceTo(range);
        ranges.push(range);
      }
      this.#held.shift();
    }
    if (this.#phase === "ended") this.#dropHeld();
    else this.#recountHeld();
    return ranges;
  }

  #nextAfterMerge(): PageVerdict<never>["next"] {
    if (this.#phase === "ended") return "ended";
    if (this.#held.length > 0 || this.#hasMissed) return "read";
    this.#phase = "live";
    return "live";
  }

  #advanceTo(range: LiveRange): void {
    this.#cursor = range.last;
    if (range.isTerminal) this.#phase = "ended";
  }

  #end(): void {
    this.#phase = "ended";
    this.#dropHeld();
  }

  #dropHeld(): void {
    this.#held = [];
    this.#heldChunks = 0;
    this.#heldBytes = 0;
  }

  #recountHeld(): void {
    this.#heldChunks = 0;
    this.#heldBytes = 0;
    for (const range of this.#held) {
      this.#heldChunks += range.last - range.first + 1;
      this.#heldBytes += range.frames?.byteLength ?? 0;
    }
  }
}

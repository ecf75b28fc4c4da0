/** `next`: follows on what was there, and counts now. `known`: was there. `torn`: there is a hole before it, or it overlaps. */
export type Step = "next" | "known" | "torn";

/** Where a reader stands in one stream. Numbers are dense; what is missing was announced, else something went wrong. */
export class Position {
  /** The last sequence that the reader has; null: the server has yet to say where it begins. */
  cursor: number | null;

  constructor(cursor: number | null) {
    this.cursor = cursor;
  }

  advance(first: number, last: number): Step {
    if (this.cursor !== null) {
      if (last <= this.cursor) return "known";
      if (first !== this.cursor + 1) return "torn";
    }
    this.cursor = last;
    return "next";
  }
}

/** A sequence as it may come over the wire. */
export function isSequence(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The sequence in a resume token: base64 or base64url of `<id>:<sequence>`. Null where it isn't one. */
export function sequenceOfToken(token: string): number | null {
  try {
    const text = atob(token.replaceAll("-", "+").replaceAll("_", "/"));
    const sequence = Number(text.slice(text.lastIndexOf(":") + 1) || Number.NaN);
    return isSequence(sequence) ? sequence : null;
  } catch {
    return null;
  }
}

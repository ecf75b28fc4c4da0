/** Stands for half a character whose other half never came. */
export const REPLACEMENT_CHARACTER = "\uFFFD";

const HIGH_SURROGATE_AT_END = /[\uD800-\uDBFF]$/;

/**
 * Holds text together that arrives in pieces. A character beyond U+FFFF is two code units in JavaScript, and pieces are
 * cut between them; half of one is no valid text to anybody but JavaScript. So the first half waits for the next piece.
 */
export class WholeText {
  #half = "";

  /** Whether the first half of a character waits for the other. */
  get hasHalf(): boolean {
    return this.#half !== "";
  }

  /**
   * @returns what can be told now, without half characters: halves that nothing completes become U+FFFD. Empty where the
   * piece only began a character
   */
  push(piece: string): string {
    // An empty piece says nothing about the half that waits.
    if (piece === "") return "";
    const text = this.#half + piece;
    this.#half = HIGH_SURROGATE_AT_END.exec(text)?.[0] ?? "";
    return (this.#half === "" ? text : text.slice(0, -1)).toWellFormed();
  }

  copy(): WholeText {
    const copy = new WholeText();
    copy.#half = this.#half;
    return copy;
  }

  /** @returns U+FFFD for a half that nothing has completed, or the empty string */
  end(): string {
    const rest = this.#half === "" ? "" : REPLACEMENT_CHARACTER;
    this.#half = "";
    return rest;
  }
}

/** A value of JSON without half characters, in strings and keys; the value itself where there are none. */
export function toWellFormedJson(json: string): string {
  // JSON.stringify writes half characters, and nothing else, as escapes of surrogates.
  return LONE_SURROGATE_ESCAPE.test(json) ? json.replaceAll(ESCAPES, replaceLoneSurrogate) : json;
}

const LONE_SURROGATE_ESCAPE = /\\ud[89a-f]/;
const ESCAPES = /\\(?:u[0-9a-f]{4}|.)/g;

function replaceLoneSurrogate(escape: string): string {
  return /^\\ud[89a-f]/.test(escape) ? REPLACEMENT_CHARACTER : escape;
}

/**
 * Cuts text into pieces between characters.
 * @param maxBytes most bytes of a piece as it stands in JSON, in UTF-8; at least 12, as one character may need so many
 * @returns the text itself where it fits; nothing where it is empty
 */
export function cutText(text: string, maxBytes: number): string[] {
  if (text === "") return [];
  // No code unit takes more bytes than the six of an escape.
  if (text.length * 6 <= maxBytes) return [text];
  const pieces: string[] = [];
  let start = 0;
  let at = 0;
  let bytes = 0;
  while (at < text.length) {
    const codePoint = text.codePointAt(at) ?? 0;
    const size = jsonBytesOf(codePoint);
    if (bytes + size > maxBytes && at > start) {
      pieces.push(text.slice(start, at));
      start = at;
      bytes = 0;
    }
    bytes += size;
    at += codePoint > 0xffff ? 2 : 1;
  }
  pieces.push(text.slice(start));
  return pieces;
}

const SHORT_ESCAPES = new Set([0x08, 0x09, 0x0a, 0x0c, 0x0d, 0x22, 0x5c]);

function jsonBytesOf(codePoint: number): number {
  if (SHORT_ESCAPES.has(codePoint)) return 2;
  if (codePoint < 0x20) return 6;
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  // Half a character is written as an escape.
  if (codePoint >= 0xd800 && codePoint <= 0xdfff) return 6;
  return codePoint > 0xffff ? 4 : 3;
}

import type { EndStatus } from "@sluice/core";
import type { Gap } from "./chunks.ts";
import type { Remembered } from "./memory.ts";

/**
 * The text of a stream as it grows. It can be cut back: when a stream loses its tail, text that was read beyond the new end
 * doesn't belong to it any more.
 */
export class CollectedText implements Remembered {
  text = "";
  hasGaps = false;
  cursor = 0;
  declare end: EndStatus | null | undefined;
  /** Alternating: a sequence, and the length of the text after it. */
  readonly #marks: number[] = [];

  add(sequence: number, text: string): void {
    this.text += text;
    // Together with the text: a listener may have both saved, as the page goes away.
    this.cursor = sequence;
    this.#marks.push(sequence, this.text.length);
  }

  /** @returns whether the text has changed */
  takeGap(gap: Gap): boolean {
    if (gap.reset !== true) {
      this.hasGaps = true;
      return false;
    }
    while ((this.#marks.at(-2) ?? 0) > gap.head) this.#marks.length -= 2;
    this.cursor = gap.head;
    this.text = this.text.slice(0, this.#marks.at(-1) ?? 0);
    return true;
  }
}

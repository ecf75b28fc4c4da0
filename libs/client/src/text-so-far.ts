/**
 * The text of a stream as it grows. It can be cut back: what was read past the end of a stream that lost its tail isn't of
 * it.
 */
export class TextSoFar {
  value = "";
  /** By turns: after which sequence, how long the text was. */
  readonly #marks: number[] = [];

  add(sequence: number, text: string): void {
    this.value += text;
    this.#marks.push(sequence, this.value.length);
  }

  /** Nothing after this sequence counts any more. */
  cutAfter(sequence: number): void {
    while ((this.#marks.at(-2) ?? 0) > sequence) this.#marks.length -= 2;
    this.value = this.value.slice(0, this.#marks.at(-1) ?? 0);
  }
}

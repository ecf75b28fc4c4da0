/** The text of a stream as it grows, which can be cut back: what was read past the end of a stream that lost its tail isn't of it. */
export class TextSoFar {
  value = "";
  /** After which sequence the text had which length. */
  readonly #sequences: number[] = [];
  readonly #lengths: number[] = [];

  add(sequence: number, text: string): void {
    this.value += text;
    this.#sequences.push(sequence);
    this.#lengths.push(this.value.length);
  }

  /** Nothing after this sequence counts any more. */
  cutAfter(sequence: number): void {
    let count = this.#sequences.length;
    if (count === 0) return;
    while (count > 0 && (this.#sequences[count - 1] ?? 0) > sequence) count--;
    this.#sequences.length = count;
    this.#lengths.length = count;
    this.value = this.value.slice(0, this.#lengths[count - 1] ?? 0);
  }
}

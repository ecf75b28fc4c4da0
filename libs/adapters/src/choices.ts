/** The ways in which an answer is given at once (`n` > 1), as far as they have shown themselves; the first is always there. */
export class Choices {
  readonly #finished = new Map<number, boolean>([[0, false]]);

  /** Servers that call themselves compatible leave the index out, and some say more after the finish reason. */
  take({ index = 0, finish_reason }: { index?: number; finish_reason?: unknown }): void {
    const hasFinished = this.#finished.get(index) === true || typeof finish_reason === "string";
    this.#finished.set(index, hasFinished);
  }

  /** Those that have yet to give their finish reason. */
  get unfinished(): number[] {
    return [...this.#finished].filter(([, hasFinished]) => !hasFinished).map(([index]) => index);
  }
}

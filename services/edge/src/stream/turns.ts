/** Who asks first goes first, one at a time. So of twenty streams that replay on one connection each gets a page in its turn. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  async take<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const mine = before.then(work);
    // Whoever comes next waits for the end of this one, not for its success.
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

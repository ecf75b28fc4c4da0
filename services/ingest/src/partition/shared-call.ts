/**
 * Looks once for all who ask at the same time. Who asks while a look is under way waits for the next one: that one may
 * have seen what was before the question.
 */
export class SharedCall<Seen> {
  readonly #look: () => Promise<Seen>;
  #last: Promise<unknown> = Promise.resolve();
  #next: Promise<Seen> | null = null;

  constructor(look: () => Promise<Seen>) {
    this.#look = look;
  }

  ask(): Promise<Seen> {
    this.#next ??= this.#last.then(() => {
      this.#next = null;
      const looking = this.#look();
      // Whoever asks next waits for its end, not for its success.
      this.#last = looking.catch(() => undefined);
      return looking;
    });
    return this.#next;
  }
}

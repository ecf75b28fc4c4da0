/**
 * Equal questions of one turn of the event loop are asked once, at its end and so after the last of them. One that was
 * asked is never shared with who comes later: its answer could be older than that question.
 */
export class TickBatcher<Answer> {
  readonly #waiting = new Map<string, Promise<Answer>>();
  #endOfTurn: Promise<void> | null = null;

  ask(key: string, question: () => Promise<Answer>): Promise<Answer> {
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) return waiting;
    this.#endOfTurn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#endOfTurn = null;
        this.#waiting.clear();
        resolve();
      });
    });
    const answer = this.#endOfTurn.then(question);
    this.#waiting.set(key, answer);
    return answer;
  }
}

import type { IncomingMessage } from "node:http";
import { StreamError } from "@sluice/core";

/**
 * The body of a request, piece by piece; the next is taken from the socket only when it is asked for. Unlike the
 * request's own iterator it can be left early without destroying the connection, which the answer still needs.
 * To be read once. @throws StreamError CONNECTION where the sender goes away before the end
 */
export class UploadBody implements AsyncIterable<Buffer> {
  readonly #request: IncomingMessage;
  #interruption: { reason: unknown } | null = null;
  #wake: () => void = () => {};

  /** @param signal interrupts it with its reason */
  constructor(request: IncomingMessage, signal: AbortSignal) {
    this.#request = request;
    const wake = (): void => this.#wake();
    for (const event of ["readable", "end", "close", "error"]) request.on(event, wake);
    signal.addEventListener("abort", () => this.interrupt(signal.reason), { once: true });
  }

  /** Lets the reader fail with this reason, at once and instead of what is still to come. */
  interrupt(reason: unknown): void {
    this.#interruption ??= { reason };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      if (this.#interruption !== null) throw this.#interruption.reason;
      const piece = this.#request.read() as Buffer | null;
      if (piece !== null) yield piece;
      else if (this.#request.readableEnded) return;
      else if (this.#request.destroyed) throw new StreamError("CONNECTION", "the sender went away");
      else await this.#change();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

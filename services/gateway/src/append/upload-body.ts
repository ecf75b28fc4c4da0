import type { IncomingMessage } from "node:http";
import { StreamError } from "@sluice/core";
import { BodyPace, type BodyLease, type BodyPaceLimits } from "@sluice/runtime";

export interface UploadBodyParts {
  /** Interrupts the body with its reason. */
  signal: AbortSignal;
  /** Charged with what is held of the body. */
  lease: BodyLease;
  /** Pace of what is held: it must go on to its end in time. */
  pace: BodyPaceLimits;
  /** How long the sender may be silent, ms. */
  idleTimeoutMs: number;
}

/**
 * The body of a request, piece by piece; the next is taken from the socket only when it is asked for. Unlike the
 * request's own iterator it can be left early without destroying the connection, which the answer still needs.
 *
 * A sender may be silent between two lines for as long as its model thinks. Within a line, which is held in memory until it
 * ends, it has the time that any other body has.
 *
 * To be read once. @throws StreamError CONNECTION where the sender goes away before the end, REQUEST_TIMEOUT
 */
export class UploadBody implements AsyncIterable<Buffer>, Disposable {
  readonly #request: IncomingMessage;
  readonly #parts: UploadBodyParts;
  #kept = 0;
  #pace: BodyPace | null = null;
  #interruption: { reason: unknown } | null = null;
  #wake: () => void = () => {};

  constructor(request: IncomingMessage, parts: UploadBodyParts) {
    this.#request = request;
    this.#parts = parts;
    const wake = (): void => this.#wake();
    for (const event of ["readable", "end", "close", "error"]) request.on(event, wake);
    const { signal, idleTimeoutMs } = parts;
    signal.addEventListener("abort", () => this.interrupt(signal.reason), { once: true });
    request.setTimeout(idleTimeoutMs, () => {
      const detail = `the upload sent nothing for ${idleTimeoutMs / 1000} s`;
      this.interrupt(new StreamError("REQUEST_TIMEOUT", detail));
    });
  }

  /** Lets the reader fail with this reason, at once and instead of what is still to come. */
  interrupt(reason: unknown): void {
    this.#interruption ??= { reason };
    this.#wake();
  }

  /** So many bytes of an unfinished line are held now, 0: it has ended. @throws StreamError TOO_MANY_REQUESTS, OVERLOADED */
  hold(bytes: number): void {
    const held = this.#kept + bytes;
    this.#parts.lease.hold(held);
    if (held > 0) this.#pace ??= new BodyPace(this.#parts.pace, (error) => this.interrupt(error));
    else this.#stopPace();
  }

  /** So many bytes more are held until the upload is over. @throws StreamError TOO_MANY_REQUESTS, OVERLOADED */
  keep(bytes: number): void {
    this.#kept += bytes;
    this.hold(0);
  }

  [Symbol.dispose](): void {
    this.#stopPace();
    this.#parts.lease.release();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      if (this.#interruption !== null) throw this.#interruption.reason;
      const piece = this.#request.read() as Buffer | null;
      if (piece !== null) {
        this.#pace?.received(piece.byteLength);
        yield piece;
      } else if (this.#request.readableEnded) return;
      else if (this.#request.destroyed) throw new StreamError("CONNECTION", "the sender went away");
      else await this.#change();
    }
  }

  #stopPace(): void {
    this.#pace?.stop();
    this.#pace = null;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

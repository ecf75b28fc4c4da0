import { StreamError, type CancelFeed, type CancelReason, type Subscription } from "@sluice/core";

const REASONS: Readonly<Record<CancelReason, string>> = {
  requested: "The stream was stopped on request.",
  abandoned: "The stream was stopped because nobody read it any more.",
};

/**
 * Tells a worker to stop. It listens from the first look at the signal on: a producer that hears of the wish is given time
 * to end its stream, so one that would not heed it had better not hear it.
 */
export class Cancellation {
  readonly #feed: Pick<CancelFeed, "onCancel"> | undefined;
  readonly #streamId: string;
  readonly #controller = new AbortController();
  #subscription: Subscription | undefined;
  #isClosed = false;

  constructor(feed: Pick<CancelFeed, "onCancel"> | undefined, streamId: string) {
    this.#feed = feed;
    this.#streamId = streamId;
  }

  get signal(): AbortSignal {
    if (!this.#isClosed)
      this.#subscription ??= this.#feed?.onCancel(this.#streamId, (reason) => this.#cancel(reason));
    return this.#controller.signal;
  }

  /** Stops a worker whose work is in vain: its stream was ended or taken over by others. */
  abort(reason: StreamError): void {
    this.#controller.abort(reason);
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#subscription?.close();
  }

  #cancel(reason: CancelReason): void {
    this.abort(new StreamError("CANCELLED", REASONS[reason], { details: { reason } }));
  }
}

import { TimeoutError, type Msg } from "@nats-io/nats-core";
import {
  StreamError,
  type CancelAnswer,
  type CancelFeed,
  type CancelReason,
  type Subscription,
} from "@sluice/core";
import {
  cancelNoticeSchema,
  cancelSubject,
  stopAnswerSchema,
  stopRequestSchema,
  stopSubject,
} from "@sluice/protocol";
import { isNoResponders } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";
import { parseJsonAs, respond, subscribe } from "./service-request.ts";

/** Both ways of the wish as requests on core NATS: the server knows at once where nobody listens. */
export class NatsCancelFeed implements CancelFeed {
  readonly #link: NatsLink;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  /** Null also where the owner answered that it failed: it has logged why, and asking again is all that helps. */
  async requestCancel(partition: number, streamId: string, timeoutMs: number): Promise<CancelAnswer | null> {
    let answer: Msg;
    try {
      const request = JSON.stringify({ streamId });
      answer = await this.#link.connection.request(stopSubject(partition), request, { timeout: timeoutMs });
    } catch {
      return null;
    }
    const parsed = parseJsonAs(stopAnswerSchema, answer.data);
    return parsed === null || parsed.kind === "failed" ? null : parsed;
  }

  answerCancels(partition: number, handler: (streamId: string) => Promise<CancelAnswer>): Subscription {
    return subscribe(this.#link, stopSubject(partition), (message) => {
      const request = parseJsonAs(stopRequestSchema, message.data);
      if (request === null) respond(message, { kind: "failed", message: "not a request" });
      else void answerCancel(message, handler(request.streamId));
    });
  }

  async tellProducer(streamId: string, reason: CancelReason, timeoutMs: number): Promise<boolean> {
    // Between connections a request only waits for its time to pass, which would look like a producer's silence.
    if (!this.#link.isConnected) throw new StreamError("CONNECTION", "producers can't be told anything now");
    try {
      const notice = JSON.stringify({ reason });
      await this.#link.connection.request(cancelSubject(streamId), notice, { timeout: timeoutMs });
      return true;
    } catch (error) {
      if (isNoResponders(error) || error instanceof TimeoutError) return false;
      throw new StreamError("CONNECTION", "producers can't be told anything now", { cause: error });
    }
  }

  onCancel(streamId: string, handler: (reason: CancelReason) => void): Subscription {
    return subscribe(this.#link, cancelSubject(streamId), (message) => {
      handler(parseJsonAs(cancelNoticeSchema, message.data)?.reason ?? "requested");
      respond(message);
    });
  }
}

async function answerCancel(message: Msg, answering: Promise<CancelAnswer>): Promise<void> {
  const answer = await answering.catch((error: unknown) => {
    return { kind: "failed", message: error instanceof Error ? error.message : String(error) };
  });
  respond(message, answer);
}

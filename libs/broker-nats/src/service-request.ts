import type { Msg, Subscription as NatsSubscription, SubscriptionOptions } from "@nats-io/nats-core";
import { StreamError, type Subscription } from "@sluice/core";
import { isNeverSent } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";

/**
 * Messages of core NATS, synchronously, in order of arrival. What a handler throws is a broken invariant and surfaces as an
 * uncaught exception; thrown into the client, it would only tear the connection down.
 * @throws StreamError CONNECTION where the connection is closed or closing
 */
export function subscribe(
  link: NatsLink,
  subject: string,
  handler: (message: Msg) => void,
  options: { queue?: string } = {},
): Subscription {
  let isClosed = false;
  const subscription = open(link, subject, {
    ...options,
    callback: (error, message) => {
      if (error !== null || isClosed) return;
      try {
        handler(message);
      } catch (thrown) {
        queueMicrotask(() => {
          throw thrown;
        });
      }
    },
  });
  return {
    close: () => {
      isClosed = true;
      subscription.unsubscribe();
    },
  };
}

function open({ connection }: NatsLink, subject: string, options: SubscriptionOptions): NatsSubscription {
  try {
    return connection.subscribe(subject, options);
  } catch (cause) {
    if (!isNeverSent(cause)) throw cause;
    throw new StreamError("CONNECTION", "the connection to NATS is closed", { cause });
  }
}

/** Answers a request, with JSON or emptily. A message that asks for no answer gets none. */
export function respond(message: Msg, content?: object): void {
  try {
    message.respond(content === undefined ? undefined : JSON.stringify(content));
  } catch {
    // The connection is closing: to the asker it is a time-out.
  }
}

/**
 * Sends at most once, and never fails. While there is no connection nothing is kept: it would fill the heap, and arrive after
 * whoever waits for it has found out by other means.
 */
export function publishLive(link: NatsLink, subject: string, payload: Uint8Array | string): void {
  if (!link.isConnected) return;
  try {
    link.connection.publish(subject, payload);
  } catch {
    // Closing, or above a limit that the server lowered: lost like any other live message, and found like one.
  }
}

/** A zod schema, or what else reads like one. */
export interface Schema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false };
}

/** Null where it isn't JSON or doesn't fit. */
export function parseJsonAs<T>(schema: Schema<T>, data: Uint8Array): T | null {
  try {
    const parsed = schema.safeParse(
      JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()),
    );
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

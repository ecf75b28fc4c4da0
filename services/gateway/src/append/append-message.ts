import { StreamError, type CancelFeed } from "@sluice/core";
import type { SendReceipt, StreamHandle, StreamManager } from "@sluice/producer";
import { HTTP_HEADERS } from "@sluice/protocol";
import type { Logger } from "@sluice/runtime";
import type { Request, Response } from "express";
import { AppendTally } from "./append-tally.ts";
import { appendOnce, type AppendAnswer, type AppendLedger } from "./append-once.ts";
import { openOn, readTerms } from "./append-preconditions.ts";
import type { GatewayMetrics } from "../metrics.ts";
import { keyedRequest } from "../idempotency/request-ledger.ts";
import type { GatewaySettings } from "../config.ts";
import type { Uploads } from "./in-flight-appends.ts";
import type { BodyParts } from "../http/request-body.ts";

/** Dependencies of all routes that append. */
export interface AppendOptions {
  manager: StreamManager;
  ledger: AppendLedger;
  cancelFeed: Pick<CancelFeed, "onCancel">;
  uploads: Uploads;
  metrics: GatewayMetrics;
  logger: Logger;
  settings: GatewaySettings;
  bodies: BodyParts;
  maxBodyBytes: number;
}

/** Chunks that are stored as one message. */
export interface OneMessage {
  /**
   * Says what tells a repeat from another request under the same key; asked only where there is a key.
   * @throws StreamError where the chunks are none: then no record is made of them
   */
  asked(): unknown;
  send(handle: StreamHandle): Promise<SendReceipt[]>;
}

/** Stores one message on the request's terms: once, if it carries an `Idempotency-Key`. */
export async function appendMessage(
  parts: AppendOptions,
  request: Request,
  message: OneMessage,
): Promise<AppendAnswer> {
  const streamId = String(request.params["streamId"]);
  const terms = readTerms(request);
  const keyed = keyedRequest(request, () => [terms, message.asked()]);
  if (keyed === null) {
    await using handle = await openOn(terms, parts.manager, streamId);
    const tally = new AppendTally();
    tally.add(await message.send(handle));
    return { counts: tally.toJson(), isRepeat: false };
  }
  if (terms.isExclusive) {
    throw new StreamError(
      "INVALID_REQUEST",
      `mode=exclusive is for uploads, and one with an ${HTTP_HEADERS.idempotencyKey} is stored as one message: leave one of them out`,
      { details: { field: "mode" } },
    );
  }
  const { sequence } = terms;
  return appendOnce(
    { manager: parts.manager, ledger: parts.ledger, timeoutMs: parts.settings.logTimeoutMs },
    { streamId, request: keyed, sequence, send: (handle) => message.send(handle) },
  );
}

/** Tells the outcome of `appendMessage`. */
export function sendAppended(
  parts: AppendOptions,
  request: Request,
  response: Response,
  { counts, isRepeat }: AppendAnswer,
): void {
  if (isRepeat) response.setHeader(HTTP_HEADERS.replayed, "true");
  else parts.metrics.chunksAccepted.inc(counts.accepted);
  response.json({ stream_id: String(request.params["streamId"]), ...counts });
}

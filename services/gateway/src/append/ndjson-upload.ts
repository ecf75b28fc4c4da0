import { StreamError } from "@sluice/core";
import { HTTP_HEADERS } from "@sluice/protocol";
import { acceptBody, assertUnpacked, assertUtf8 } from "@sluice/runtime";
import type { Request, Response } from "express";
import { AppendTally } from "./append-tally.ts";
import { appendLines, appendWhole, readLines } from "./append-lines.ts";
import { openOn, readTerms } from "./append-preconditions.ts";
import { appendMessage, sendAppended, type AppendOptions } from "./append-message.ts";
import { LineAnswer } from "./line-answer.ts";
import { countRefusal } from "../metrics.ts";
import { JSON_TYPE, NDJSON_TYPE } from "../http/request-body.ts";
import { UploadBody } from "./upload-body.ts";

/**
 * Appends NDJSON as it arrives. Whoever accepts NDJSON too is told of each batch while the upload goes on, and of wishes
 * to cancel the stream; anyone else gets one answer at the end.
 * With an `Idempotency-Key` the lines are read first and stored as one message.
 */
export async function serveUpload(parts: AppendOptions, request: Request, response: Response): Promise<void> {
  assertUnpacked(request);
  assertUtf8(request);
  const address = request.ip ?? "";
  await parts.uploads.run(address, async (signal) => {
    using body = new UploadBody(request, {
      signal,
      lease: parts.bodies.budget.lease(address),
      pace: parts.bodies.pace,
      idleTimeoutMs: parts.settings.uploadIdleTimeoutMs,
    });
    if (request.get(HTTP_HEADERS.idempotencyKey) === undefined) {
      await appendAsItArrives(parts, request, response, body);
      return;
    }
    acceptBody(request, response);
    const lines = await readLines(body);
    const answer = await appendMessage(parts, request, {
      asked: () => lines.map(({ bytes }) => bytes.toString()),
      send: (handle) => appendWhole(handle, lines),
    });
    sendAppended(parts, request, response, answer);
  });
}

async function appendAsItArrives(
  parts: AppendOptions,
  request: Request,
  response: Response,
  body: UploadBody,
): Promise<void> {
  const streamId = String(request.params["streamId"]);
  const tally = new AppendTally();
  let lines: LineAnswer | undefined;
  try {
    await using handle = await openOn(readTerms(request), parts.manager, streamId);
    acceptBody(request, response);
    response.vary("Accept");
    using cancels = new DisposableStack();
    if (request.accepts([JSON_TYPE, NDJSON_TYPE]) === NDJSON_TYPE) {
      const answer = (lines = new LineAnswer(response));
      const heard = parts.cancelFeed.onCancel(streamId, (reason) => answer.cancelled(reason));
      cancels.defer(() => heard.close());
    }
    await appendLines(handle, body, (receipts, line) => {
      tally.add(receipts);
      lines?.acknowledge(receipts, line);
    });
  } catch (error) {
    const told = withProgress(error, tally);
    if (lines === undefined) throw told;
    countRefusal(parts.metrics, told);
    if (!(told instanceof StreamError))
      parts.logger.error({ err: told, streamId }, "upload failed unexpectedly");
    lines.fail(told);
    return;
  } finally {
    parts.metrics.chunksAccepted.inc(tally.accepted);
  }
  const summary = { stream_id: streamId, ...tally.toJson() };
  if (lines === undefined) response.json(summary);
  else lines.finish(summary);
}

/** Says what was stored before: a part of the upload may have been. */
function withProgress(error: unknown, tally: AppendTally): unknown {
  if (!(error instanceof StreamError)) return error;
  return new StreamError(error.code, error.message, {
    cause: error,
    details: { ...error.details, ...tally.toJson() },
  });
}

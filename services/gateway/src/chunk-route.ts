import { StreamError, type ChunkDraft } from "@sluice/core";
import type { StreamHandle, StreamManager } from "@sluice/producer";
import { HEADERS, parseSequence } from "@sluice/protocol";
import express, { type Request, type RequestHandler, type Response } from "express";
import { AppendTally } from "./append-answer.ts";
import { appendLines } from "./append-lines.ts";
import type { GatewayMetrics } from "./metrics.ts";
import { UploadBody } from "./upload-body.ts";
import { demandType, hasBody, JSON_TYPE, NDJSON_TYPE } from "./request-body.ts";
import type { Uploads } from "./uploads.ts";

export interface ChunkRouteParts {
  manager: StreamManager;
  uploads: Uploads;
  metrics: GatewayMetrics;
  maxBodyBytes: number;
  uploadIdleTimeoutMs: number;
}

// A sender that is still writing when its request is refused has to read the answer before the connection ends.
const LINGER_MS = 1_000;

/**
 * `POST /streams/:streamId/chunks`: one chunk, an array (stored together or not at all), or NDJSON, which is appended as
 * it arrives. Several requests for one stream, here or at other gateways, interleave; each keeps its order.
 * With a header `Sluice-Sequence` the first chunk must take that number, and nobody may write in between: a sender that
 * lost an answer repeats its request, and learns from the refusal's `head_sequence` that the chunks are there.
 */
export function chunkRoute(parts: ChunkRouteParts): RequestHandler[] {
  const readJson = express.json({ limit: parts.maxBodyBytes, type: JSON_TYPE, strict: false });
  const append: RequestHandler = async (request, response) => {
    const streamId = String(request.params["streamId"]);
    const tally = new AppendTally();
    try {
      await parts.uploads.run(async (signal) => {
        await using handle = await openHandle(parts.manager, streamId, request);
        if (request.is(NDJSON_TYPE) !== false) {
          lingerWhenRefused(request, response);
          request.setTimeout(parts.uploadIdleTimeoutMs, () => request.destroy());
          await appendLines(handle, new UploadBody(request, signal), tally);
        } else if (Array.isArray(request.body)) {
          tally.add(await handle.sendAll(request.body as ChunkDraft[]));
        } else {
          tally.add([await handle.send(request.body as ChunkDraft)]);
        }
      });
    } catch (error) {
      throw withProgress(error, request, tally);
    } finally {
      parts.metrics.chunksAccepted.inc(tally.accepted);
    }
    response.json({ stream_id: streamId, ...tally.toJson() });
  };
  return [demandChunks, readJson, append];
}

function openHandle(manager: StreamManager, streamId: string, request: Request): Promise<StreamHandle> {
  const wanted = request.get(HEADERS.sequence);
  if (wanted === undefined) return manager.openStream(streamId, { mode: "shared" });
  const sequence = parseSequence(wanted);
  if (sequence !== null && sequence > 0) return manager.openStreamAt(streamId, sequence);
  throw new StreamError(
    "INVALID_REQUEST",
    `${HEADERS.sequence} must be the number of the first chunk, from 1`,
    {
      details: { field: HEADERS.sequence },
    },
  );
}

const demandChunks: RequestHandler = (request, _response, next) => {
  demandType(request, [JSON_TYPE, NDJSON_TYPE]);
  if (!hasBody(request)) {
    throw new StreamError(
      "INVALID_REQUEST",
      "the body is empty: send a chunk, an array of chunks, or NDJSON",
    );
  }
  next();
};

function lingerWhenRefused(request: Request, response: Response): void {
  response.once("finish", () => {
    if (request.complete) return;
    request.resume();
    const timer = setTimeout(() => request.destroy(), LINGER_MS);
    request.once("close", () => clearTimeout(timer));
  });
}

/** Says what was stored before, where a part of the request may have been. */
function withProgress(error: unknown, request: Request, tally: AppendTally): unknown {
  if (!(error instanceof StreamError) || request.is(NDJSON_TYPE) === false) return error;
  return new StreamError(error.code, error.message, {
    cause: error,
    details: { ...error.details, ...tally.toJson() },
  });
}

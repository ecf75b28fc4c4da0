import { randomUUID } from "node:crypto";
import {
  isStreamId,
  partitionOf,
  StreamError,
  type ChunkCache,
  type LiveFeed,
  type PromptDesk,
  type StreamInfo,
} from "@sluice/core";
import type { StreamManager } from "@sluice/producer";
import { streamOptionsSchema } from "@sluice/protocol";
import express, { Router, type RequestHandler } from "express";
import { z } from "zod";
import type { GatewayMetrics } from "./metrics.ts";
import { demandType, JSON_TYPE, parseBody } from "./request-body.ts";
import type { GatewaySettings } from "./settings.ts";
import { streamUrls } from "./stream-urls.ts";

export interface StreamRouteParts {
  manager: StreamManager;
  cache: Pick<ChunkCache, "readInfo">;
  liveFeed: Pick<LiveFeed, "requestRebuild">;
  promptDesk: Pick<PromptDesk, "ask">;
  partitions: number;
  settings: GatewaySettings;
  metrics: GatewayMetrics;
  edgeUrl: string;
}

const MAX_REQUEST_BYTES = 1024 * 1024;

const creationSchema = z.strictObject({
  stream_id: z.string().optional(),
  options: streamOptionsSchema.optional(),
});
const promptSchema = z.strictObject({ prompt: z.string().min(1), stream_id: z.string().optional() });

/** Creating streams, looking at them, deleting them, and asking workers for them. */
export function streamRoutes(parts: StreamRouteParts): Router {
  const router = Router();
  const json: RequestHandler[] = [demandJson, express.json({ limit: MAX_REQUEST_BYTES, type: JSON_TYPE })];
  router.post("/streams", ...json, createStream(parts));
  router.get("/streams/:streamId", readStatus(parts));
  router.delete("/streams/:streamId", deleteStream(parts));
  router.post("/prompts", ...json, askPrompt(parts));
  return router;
}

const demandJson: RequestHandler = (request, _response, next) => {
  demandType(request, [JSON_TYPE]);
  next();
};

function createStream(parts: StreamRouteParts): RequestHandler {
  return async (request, response) => {
    const { stream_id: wanted, options } = parseBody(creationSchema, request);
    if (wanted !== undefined) await demandUnused(parts, checkId(wanted));
    const { streamId, handle } = await parts.manager.createStream({
      ...(wanted === undefined ? {} : { streamId: wanted }),
      ...(options === undefined ? {} : { options }),
    });
    await handle.close();
    parts.metrics.streamsCreated.inc();
    const urls = streamUrls(parts.edgeUrl, streamId);
    response.status(201).location(urls.status).json({ stream_id: streamId, urls });
  };
}

/** A stream's record outlives its messages: where there is one, the log alone would let the id be used again. */
async function demandUnused(parts: StreamRouteParts, streamId: string): Promise<void> {
  const info = await parts.cache.readInfo(streamId);
  if (info === null) return;
  if (info.head.status === "deleted") {
    throw new StreamError("STREAM_DELETED", `stream ${streamId} was deleted: choose another id`);
  }
  throw new StreamError("STREAM_EXISTS", `stream ${streamId} exists: append to it, or choose another id`);
}

function askPrompt(parts: StreamRouteParts): RequestHandler {
  return async (request, response) => {
    const { prompt, stream_id: wanted } = parseBody(promptSchema, request);
    const streamId = wanted === undefined ? randomUUID() : checkId(wanted);
    if (wanted !== undefined) await demandUnused(parts, streamId);
    await parts.promptDesk.ask({ streamId, prompt }, parts.settings.promptTimeoutMs);
    const urls = streamUrls(parts.edgeUrl, streamId);
    response.status(201).location(urls.status).json({ stream_id: streamId, urls });
  };
}

function readStatus(parts: StreamRouteParts): RequestHandler {
  return async (request, response) => {
    const streamId = checkId(String(request.params["streamId"]));
    const info = (await parts.cache.readInfo(streamId)) ?? (await rebuild(parts, streamId));
    response.json({
      stream_id: streamId,
      status: info.head.status,
      head_sequence: info.head.sequence,
      chunk_count: info.chunkCount,
      byte_count: info.byteCount,
      created_ms: info.createdMs,
      updated_ms: info.updatedMs,
      ended_ms: info.endedMs,
      cancel_requested_ms: info.cancelWish?.requestedMs ?? null,
      options: info.options === null ? null : readOptions(info.options),
    });
  };
}

async function rebuild(parts: StreamRouteParts, streamId: string): Promise<StreamInfo> {
  const partition = partitionOf(streamId, parts.partitions);
  const answer = await parts.liveFeed.requestRebuild(partition, streamId, parts.settings.rebuildTimeoutMs);
  if (answer === null) {
    throw new StreamError(
      "CACHE_UNAVAILABLE",
      "nothing is cached of this stream, and ingest doesn't answer: try again",
    );
  }
  const info = answer.kind === "unknown" ? null : await parts.cache.readInfo(streamId);
  if (info === null) throw new StreamError("STREAM_NOT_FOUND", `there is no stream ${streamId}`);
  return info;
}

function deleteStream(parts: StreamRouteParts): RequestHandler {
  return async (request, response) => {
    const streamId = checkId(String(request.params["streamId"]));
    try {
      await parts.manager.deleteStream(streamId);
    } catch (error) {
      if (!(error instanceof StreamError) || error.code !== "STREAM_NOT_FOUND") throw error;
      // Its messages have aged out of the log; its record may still be there.
      const info = await parts.cache.readInfo(streamId);
      if (info === null) throw error;
      if (info.head.status !== "deleted") await parts.manager.deleteStream(streamId, info.head.sequence);
    }
    response.status(204).end();
  };
}

function checkId(streamId: string): string {
  if (isStreamId(streamId)) return streamId;
  throw new StreamError("INVALID_STREAM_ID", "a stream id is 1 to 128 of A-Z a-z 0-9 _ -");
}

/** Anyone may have published them: what isn't JSON is told as it is. */
function readOptions(options: string): unknown {
  try {
    return JSON.parse(options);
  } catch {
    return options;
  }
}

import { randomUUID } from "node:crypto";
import {
  assertStreamId,
  partitionOf,
  StreamError,
  type ChunkCache,
  type LiveFeed,
  type PromptQueue,
  type StreamInfo,
} from "@sluice/core";
import type { StreamManager } from "@sluice/producer";
import { HTTP_HEADERS, promptRequestSchema } from "@sluice/protocol";
import { Router, type RequestHandler } from "express";
import type { CreationBudget } from "../budget/creation-budget.ts";
import { principalOf } from "../budget/principal.ts";
import { parseBody, readJson, type BodyParts } from "../http/request-body.ts";
import { keyedRequest } from "../idempotency/request-ledger.ts";
import type { GatewaySettings } from "../config.ts";
import { startOnce, type StartLedger } from "../idempotency/start-once.ts";
import { assertUnused } from "./stream-ids.ts";
import { streamUrls } from "./stream-urls.ts";

export interface StreamRouteOptions {
  manager: StreamManager;
  ledger: StartLedger;
  cache: Pick<ChunkCache, "readInfo">;
  liveFeed: Pick<LiveFeed, "requestRebuild">;
  bodies: BodyParts;
  promptQueue: Pick<PromptQueue, "ask">;
  budget: CreationBudget;
  partitions: number;
  settings: GatewaySettings;
  edgeUrl: string;
}

/** Looking at streams, deleting them, and asking workers for them. */
export function streamRoutes(parts: StreamRouteOptions): Router {
  const router = Router();
  router.get("/streams/:streamId", readStatus(parts));
  router.delete("/streams/:streamId", deleteStream(parts));
  router.post("/prompts", readJson(parts.bodies), askPrompt(parts));
  return router;
}

function askPrompt(parts: StreamRouteOptions): RequestHandler {
  return async (request, response) => {
    const { prompt, stream_id: wanted } = parseBody(promptRequestSchema, request);
    const keyed = keyedRequest(request, () => [prompt, wanted ?? null]);
    const { streamId, isRepeat } = await startOnce(parts.ledger, keyed, async () => {
      const id = wanted === undefined ? randomUUID() : assertStreamId(wanted);
      if (wanted !== undefined) await assertUnused(parts.cache, id);
      // The worker creates the stream, and knows neither who asks nor how full the cache is.
      await parts.budget.spend(principalOf(request), () =>
        parts.promptQueue.ask({ streamId: id, prompt }, parts.settings.promptTimeoutMs),
      );
      return id;
    });
    if (isRepeat) response.setHeader(HTTP_HEADERS.replayed, "true");
    const urls = streamUrls(parts.edgeUrl, streamId);
    response.status(201).location(urls.status).json({ stream_id: streamId, urls });
  };
}

function readStatus(parts: StreamRouteOptions): RequestHandler {
  return async (request, response) => {
    const streamId = assertStreamId(request.params["streamId"]);
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
      cancel_requested_ms: info.cancelRequest?.requestedMs ?? null,
      options: info.options === null ? null : readOptions(info.options),
    });
  };
}

async function rebuild(parts: StreamRouteOptions, streamId: string): Promise<StreamInfo> {
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

function deleteStream(parts: StreamRouteOptions): RequestHandler {
  return async (request, response) => {
    const streamId = assertStreamId(request.params["streamId"]);
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

/** Anyone may have published them: what isn't JSON is told as it is. */
function readOptions(options: string): unknown {
  try {
    return JSON.parse(options);
  } catch {
    return options;
  }
}

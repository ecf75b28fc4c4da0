import { assertStreamId, StreamError, type ChunkCache } from "@sluice/core";
import type { StreamHandle, StreamManager } from "@sluice/producer";
import { HTTP_HEADERS, proxyRequestSchema } from "@sluice/protocol";
import { Router, type RequestHandler } from "express";
import type { CreationBudget } from "../budget/creation-budget.ts";
import { principalOf } from "../budget/principal.ts";
import { readSequence } from "../append/append-preconditions.ts";
import { assertModel, assertModelServer, type ModelServer } from "./model-server.ts";
import { assertChatRequest } from "./chat-request.ts";
import type { ChatRequest, ProxiedAnswers } from "./proxied-answers.ts";
import { parseBody, readJson, type BodyParts } from "../http/request-body.ts";
import { keyedRequest } from "../idempotency/request-ledger.ts";
import { startOnce, type StartLedger } from "../idempotency/start-once.ts";
import { assertUnused } from "../streams/stream-ids.ts";
import { streamUrls } from "../streams/stream-urls.ts";

export interface ProxyRouteOptions {
  manager: StreamManager;
  ledger: StartLedger;
  cache: Pick<ChunkCache, "readInfo">;
  answers: ProxiedAnswers;
  budget: CreationBudget;
  /** Null: none is configured. */
  modelServer: ModelServer | null;
  edgeUrl: string;
  bodies: BodyParts;
  /** Pictures stand in requests, too. */
  maxBodyBytes: number;
}

/**
 * `POST /streams/:streamId/proxy`: the gateway asks a model server itself and writes the answer to the stream, which it
 * creates where there is none. The asker may go: it is answered before the model is asked.
 */
export function proxyRoute(parts: ProxyRouteOptions): Router {
  const router = Router();
  const read = readJson(parts.bodies, parts.maxBodyBytes);
  router.post("/streams/:streamId/proxy", assertAnswerable(parts), read, proxyAnswer(parts));
  return router;
}

/** Refuses before the body is read: it may be large, and all in vain. */
function assertAnswerable({ modelServer, answers }: ProxyRouteOptions): RequestHandler {
  return (request, _response, next) => {
    assertStreamId(String(request.params["streamId"]));
    assertModelServer(modelServer);
    answers.assertRoom();
    next();
  };
}

function proxyAnswer(parts: ProxyRouteOptions): RequestHandler {
  return async (request, response) => {
    const streamId = assertStreamId(request.params["streamId"]);
    parseBody(proxyRequestSchema, request);
    // As it was sent: nothing is dropped of it that the schema doesn't look at.
    const chat = request.body as ChatRequest;
    const { server, limits } = assertModel(parts.modelServer, chat.model);
    assertChatRequest(chat, limits);
    const sequence = readSequence(request);
    const { isRepeat } = await startOnce(
      parts.ledger,
      keyedRequest(request, () => [sequence, chat]),
      async () => {
        await parts.answers.start(server, chat, () =>
          openForAnswer(parts, streamId, sequence, principalOf(request)),
        );
        return streamId;
      },
    );
    if (isRepeat) response.setHeader(HTTP_HEADERS.replayed, "true");
    const urls = streamUrls(parts.edgeUrl, streamId);
    response.status(202).location(urls.status).json({ stream_id: streamId, urls });
  };
}

/** Takes the stream over, or creates it: whoever else writes then ends the answer. */
async function openForAnswer(
  { manager, cache, budget }: ProxyRouteOptions,
  streamId: string,
  sequence: number | null,
  principal: string,
): Promise<StreamHandle> {
  try {
    if (sequence !== null) return await manager.openStreamAt(streamId, sequence, { takeOver: true });
    return await manager.openStream(streamId);
  } catch (error) {
    const isNew = error instanceof StreamError && error.code === "STREAM_NOT_FOUND";
    if (!isNew || (sequence !== null && sequence > 1)) throw error;
    await assertUnused(cache, streamId);
    return budget.spend(principal, async () => (await manager.createStream({ streamId })).handle);
  }
}

import { StreamError, type ChunkDraft } from "@sluice/core";
import { assertChunks } from "@sluice/producer";
import { completionSchema } from "@sluice/protocol";
import { hasBody, jsonReader } from "@sluice/runtime";
import { Router, type Request, type RequestHandler, type Response } from "express";
import { appendMessage, sendAppended, type AppendOptions } from "./append-message.ts";
import { assertType, JSON_TYPE, NDJSON_TYPE, parseBody, readJson } from "../http/request-body.ts";
import { serveUpload } from "./ndjson-upload.ts";

/**
 * `POST /streams/:streamId/chunks`: one chunk, an array (stored together or not at all), or NDJSON, which is appended as
 * it arrives. `…/complete` and `…/heartbeat` are one chunk each, for those who have no JSON at hand.
 */
export function appendRoutes(parts: AppendOptions): Router {
  const router = Router();
  router.post("/streams/:streamId/chunks", assertChunkBody, appendBody(parts));
  router.post("/streams/:streamId/complete", readJson(parts.bodies), complete(parts));
  router.post("/streams/:streamId/heartbeat", heartbeat(parts));
  return router;
}

const assertChunkBody: RequestHandler = (request, _response, next) => {
  assertType(request, [JSON_TYPE, NDJSON_TYPE]);
  if (!hasBody(request)) {
    throw new StreamError(
      "INVALID_REQUEST",
      "the body is empty: send a chunk, an array of chunks, or NDJSON",
    );
  }
  next();
};

function appendBody(parts: AppendOptions): RequestHandler {
  const read = jsonReader({ ...parts.bodies, maxBytes: parts.maxBodyBytes });
  return async (request, response) => {
    if (request.is(NDJSON_TYPE) !== false) await serveUpload(parts, request, response);
    else await appendChunks(parts, request, response, await read(request, response));
  };
}

function complete(parts: AppendOptions): RequestHandler {
  return async (request, response) => {
    const { summary } = parseBody(completionSchema, request);
    await appendChunks(parts, request, response, { type: "Complete", summary });
  };
}

function heartbeat(parts: AppendOptions): RequestHandler {
  return (request, response) => appendChunks(parts, request, response, { type: "Heartbeat" });
}

// The next request may come to another gateway, which knows nothing of half a character that this one holds.
const ONE_REQUEST = { holdHalves: false };

/** @param sent a chunk or an array of them; whether they are chunks the handle finds out */
async function appendChunks(
  parts: AppendOptions,
  request: Request,
  response: Response,
  sent: unknown,
): Promise<void> {
  const answer = await parts.uploads.run(request.ip ?? "", () =>
    appendMessage(parts, request, {
      asked: () => {
        assertChunks(sent);
        return sent;
      },
      send: async (handle) =>
        Array.isArray(sent)
          ? handle.sendAll(sent as ChunkDraft[], ONE_REQUEST)
          : [await handle.send(sent as ChunkDraft, ONE_REQUEST)],
    }),
  );
  sendAppended(parts, request, response, answer);
}

import { StreamError } from "@sluice/core";
import { batchCreationSchema, creationSchema, HTTP_HEADERS, problemOf } from "@sluice/protocol";
import { Router, type Request, type RequestHandler, type Response } from "express";
import {
  createAll,
  createAllOnce,
  type Creation,
  type CreationOutcome,
  type CreationOptions,
} from "./creations.ts";
import { principalOf } from "../budget/principal.ts";
import type { GatewayMetrics } from "../metrics.ts";
import { parseBody, readJson, type BodyParts } from "../http/request-body.ts";
import { keyedRequest } from "../idempotency/request-ledger.ts";
import { streamUrls } from "./stream-urls.ts";

export interface CreationRouteOptions extends CreationOptions {
  metrics: GatewayMetrics;
  bodies: BodyParts;
  edgeUrl: string;
}

/** `POST /streams` and `POST /streams/batch`. */
export function creationRoutes(parts: CreationRouteOptions): Router {
  const router = Router();
  router.post("/streams", readJson(parts.bodies), createOne(parts));
  router.post("/streams/batch", readJson(parts.bodies), createBatch(parts));
  return router;
}

function createOne(parts: CreationRouteOptions): RequestHandler {
  return async (request, response) => {
    const creation = parseBody(creationSchema, request);
    const [outcome] = await createFor(parts, request, response, [creation]);
    if (outcome === undefined) throw new Error("a creation has no outcome");
    if (outcome.refusal !== null) throw new StreamError(outcome.refusal.code, outcome.refusal.message);
    const urls = streamUrls(parts.edgeUrl, outcome.streamId);
    response.status(201).location(urls.status).json({ stream_id: outcome.streamId, urls });
  };
}

function createBatch(parts: CreationRouteOptions): RequestHandler {
  return async (request, response) => {
    const { streams } = parseBody(batchCreationSchema, request);
    const outcomes = await createFor(parts, request, response, streams);
    const isWhole = outcomes.every(({ refusal }) => refusal === null);
    response.status(isWhole ? 201 : 207).json({ streams: outcomes.map((outcome) => toJson(parts, outcome)) });
  };
}

async function createFor(
  parts: CreationRouteOptions,
  request: Request,
  response: Response,
  creations: readonly Creation[],
): Promise<CreationOutcome[]> {
  const keyed = keyedRequest(request, () => creations);
  if (keyed !== null) {
    const { outcomes, isRepeat } = await createAllOnce(parts, creations, keyed);
    if (isRepeat) response.setHeader(HTTP_HEADERS.replayed, "true");
    else countCreated(parts, outcomes);
    return outcomes;
  }
  const outcomes = await createAll(parts, creations, principalOf(request));
  countCreated(parts, outcomes);
  return outcomes;
}

function countCreated({ metrics }: CreationRouteOptions, outcomes: readonly CreationOutcome[]): void {
  metrics.streamsCreated.inc(outcomes.filter(({ refusal }) => refusal === null).length);
}

function toJson({ edgeUrl }: CreationRouteOptions, { streamId, refusal }: CreationOutcome): object {
  if (refusal === null) return { stream_id: streamId, status: 201, urls: streamUrls(edgeUrl, streamId) };
  const problem = problemOf(new StreamError(refusal.code, refusal.message));
  return { stream_id: streamId, status: problem.status, problem };
}

import { assertStreamId, partitionOf, StreamError, type CancelAnswer, type CancelFeed } from "@sluice/core";
import type { RequestHandler } from "express";

export interface CancelRouteOptions {
  feed: Pick<CancelFeed, "requestCancel">;
  /** Number of log partitions. */
  partitions: number;
  /** How long the partition's owner may take; it may have to bring the stream back from the log first. */
  timeoutMs: number;
}

/** `POST /streams/:streamId/cancel`, the same wherever it is served. Any body is ignored. */
export function cancelRoute({ feed, partitions, timeoutMs }: CancelRouteOptions): RequestHandler {
  return async (request, response) => {
    const streamId = assertStreamId(request.params["streamId"]);
    const answer = await feed.requestCancel(partitionOf(streamId, partitions), streamId, timeoutMs);
    const { code, status } = outcomeOf(streamId, answer);
    response.status(code).json({ stream_id: streamId, status });
  };
}

function outcomeOf(streamId: string, answer: CancelAnswer | null): { code: number; status: string } {
  if (answer === null)
    throw new StreamError("CACHE_UNAVAILABLE", "the stream can't be stopped right now: try again");
  if (answer.kind === "unknown") throw new StreamError("STREAM_NOT_FOUND", `there is no stream ${streamId}`);
  if (answer.kind === "asked") return { code: 202, status: "open" };
  if (answer.status === "deleted") throw new StreamError("STREAM_DELETED", `stream ${streamId} was deleted`);
  return { code: 200, status: answer.status };
}

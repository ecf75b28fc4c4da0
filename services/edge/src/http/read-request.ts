import type { Request } from "express";
import type { EdgeSettings } from "../config.ts";
import { queryNumber } from "./start-position.ts";

// Above this it would be delay, not gathering.
const MAX_COALESCE_MS = 1_000;

/** Parameters of a request for events, whether it is for one stream or for several. */
export interface EventsRequest {
  /** Runs of Text chunks are joined while it replays. */
  readonly isCompact: boolean;
  /** Frames are gathered for this long. */
  readonly coalesceMs: number;
  /** A stream that nobody knows is waited for this long. */
  readonly waitMs: number;
}

/**
 * Reads what a request for events asks for besides its position.
 * @throws StreamError INVALID_REQUEST
 */
export function readRequest<Position extends object>(
  request: Request,
  { maxWaitMs }: Pick<EdgeSettings, "maxWaitMs">,
  position: Position,
): Position & EventsRequest {
  return {
    ...position,
    isCompact: queryNumber(request, "compact", 0) > 0,
    coalesceMs: Math.min(queryNumber(request, "coalesce_ms", 0), MAX_COALESCE_MS),
    waitMs: Math.min(queryNumber(request, "wait", 0) * 1000, maxWaitMs),
  };
}

import type { Response } from "express";

/** Where a reader finds the token of the position it began at. */
export const RESUME_TOKEN_HEADER = "Sluice-Resume-Token";

/** Header with the name under which a connection is listed, and streams can be added to one that carries many. */
export const CONNECTION_ID_HEADER = "Sluice-Connection-Id";

/** How a stream stands. */
export const STATUS_HEADER = "Sluice-Status";

/** `no-transform` and `X-Accel-Buffering` keep proxies from compressing or gathering what must arrive at once. */
export function setStreamHeaders(response: Response): void {
  response.setHeader("Content-Type", "text/event-stream; charset=utf-8");
  response.setHeader("Cache-Control", "no-cache, no-transform");
  response.setHeader("X-Accel-Buffering", "no");
}

import type { RequestHandler, Response } from "express";

/** Where a reader finds the token of the position it began at. */
export const RESUME_TOKEN_HEADER = "Sluice-Resume-Token";

/** Under which name a connection is listed, and streams can be added to one that carries many. */
export const CONNECTION_ID_HEADER = "Sluice-Connection-Id";

/** How a stream stands. */
export const STATUS_HEADER = "Sluice-Status";

const EXPOSED = [
  RESUME_TOKEN_HEADER,
  CONNECTION_ID_HEADER,
  "Sluice-Next-After",
  "Sluice-Head",
  STATUS_HEADER,
  "Sluice-Gaps",
  "Retry-After",
].join(", ");

/** `no-transform` and `X-Accel-Buffering` keep proxies from compressing or gathering what must arrive at once. */
export function setStreamHeaders(response: Response): void {
  response.setHeader("Content-Type", "text/event-stream; charset=utf-8");
  response.setHeader("Cache-Control", "no-cache, no-transform");
  response.setHeader("X-Accel-Buffering", "no");
}

const DAY_SECONDS = 86_400;

/**
 * @param origins `*`, or a list separated by commas; empty: browsers on other origins may not read
 * @param methodsAt the methods that are taken at a path; none: there is no such path
 */
export function cors(origins: string, methodsAt: (path: string) => readonly string[]): RequestHandler {
  const allowed = new Set(origins.split(",").map((origin) => origin.trim()));
  return (request, response, next) => {
    const origin = request.get("origin");
    if (allowed.has("*")) response.setHeader("Access-Control-Allow-Origin", "*");
    else {
      response.vary("Origin");
      if (origin !== undefined && allowed.has(origin))
        response.setHeader("Access-Control-Allow-Origin", origin);
    }
    response.setHeader("Access-Control-Expose-Headers", EXPOSED);
    const methods = request.method === "OPTIONS" ? methodsAt(request.path) : [];
    if (methods.length === 0) {
      next();
      return;
    }
    const allowedHere = [...methods, "OPTIONS"].join(", ");
    response.setHeader("Allow", allowedHere);
    response.setHeader("Access-Control-Allow-Methods", allowedHere);
    response.setHeader(
      "Access-Control-Allow-Headers",
      "Accept, Authorization, Cache-Control, Content-Type, Last-Event-ID, Sluice-Client",
    );
    response.setHeader("Access-Control-Max-Age", DAY_SECONDS);
    response.status(204).end();
  };
}

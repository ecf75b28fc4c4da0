import { StreamError } from "@sluice/core";
import { problemOf } from "@sluice/protocol";
import type { ErrorRequestHandler, Express, RequestHandler } from "express";
import type { Logger } from "pino";
import { allowedMethods } from "./mounted-routes.ts";
import { sendProblem } from "./send-problem.ts";

/** Last in the chain: whatever a handler threw becomes a problem; what nobody expected is logged. */
export function problemHandler(logger: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const known = asStreamError(error);
    if (problemOf(known).status >= 500 && !(known instanceof StreamError)) {
      logger.error({ err: error, method: request.method, path: request.path }, "request failed unexpectedly");
    }
    if (response.headersSent) response.destroy();
    else sendProblem(response, known);
  };
}

/** Refuses a request that no route took. Mount it before `problemHandler`. */
export const noSuchRoute: RequestHandler = (request, response, next) => {
  const allowed = allowedMethods(request.app as Express, request.path).join(", ");
  if (allowed === "") {
    next(new StreamError("NOT_FOUND", `there is no ${request.method} ${request.path} here`));
    return;
  }
  response.setHeader("Allow", allowed);
  next(
    new StreamError("METHOD_NOT_ALLOWED", `${request.path} doesn't take ${request.method}: use ${allowed}`),
  );
};

/** Express and its body parsers throw errors with a `status`; below 500 they tell the client what it did wrong. */
function asStreamError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof StreamError || !("status" in error)) return error;
  if (error.status === 413) return new StreamError("CHUNK_TOO_LARGE", "the body is too large");
  if (error.status === 415) return new StreamError("UNSUPPORTED_MEDIA_TYPE", error.message);
  if (typeof error.status === "number" && error.status < 500)
    return new StreamError("INVALID_REQUEST", error.message);
  return error;
}

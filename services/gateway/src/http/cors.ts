import { HTTP_HEADERS } from "@sluice/protocol";
import type { RequestHandler } from "express";

const ALLOWED = ["Content-Type", HTTP_HEADERS.sequence, HTTP_HEADERS.idempotencyKey].join(", ");
const EXPOSED = ["Location", "Retry-After", HTTP_HEADERS.replayed].join(", ");

/**
 * Answers a browser's question whether a page of another origin may ask. For all paths, also those that are for the console
 * alone: their answers lack what lets other pages read them. A router that knows a path only for the console would
 * otherwise say no for what others may do there (`POST /streams`).
 */
export const answerPreflight: RequestHandler = (request, response, next) => {
  if (request.method !== "OPTIONS") {
    next();
    return;
  }
  response.setHeader("Access-Control-Allow-Origin", "*");
  response.setHeader("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS");
  response.setHeader("Access-Control-Allow-Headers", ALLOWED);
  response.setHeader("Access-Control-Max-Age", "86400");
  response.status(204).end();
};

/** Lets pages of any origin read what answers say, in headers too. No credentials: there are no cookies here. */
export const allowAnyOrigin: RequestHandler = (_request, response, next) => {
  response.setHeader("Access-Control-Allow-Origin", "*");
  response.setHeader("Access-Control-Expose-Headers", EXPOSED);
  next();
};

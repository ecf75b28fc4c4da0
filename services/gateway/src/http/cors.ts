import { HTTP_HEADERS } from "@sluice/protocol";
import type { RequestHandler } from "express";

const ALLOWED = ["Content-Type", HTTP_HEADERS.sequence, HTTP_HEADERS.idempotencyKey].join(", ");
const EXPOSED = ["Location", "Retry-After", HTTP_HEADERS.replayed].join(", ");

/** Lets pages of any origin call, and read what answers say in headers. No credentials: there are no cookies here. */
export const allowAnyOrigin: RequestHandler = (request, response, next) => {
  response.setHeader("Access-Control-Allow-Origin", "*");
  response.setHeader("Access-Control-Expose-Headers", EXPOSED);
  if (request.method !== "OPTIONS") {
    next();
    return;
  }
  response.setHeader("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS");
  response.setHeader("Access-Control-Allow-Headers", ALLOWED);
  response.setHeader("Access-Control-Max-Age", "86400");
  response.status(204).end();
};

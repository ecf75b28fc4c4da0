import type { RequestHandler } from "express";

/** Answers of now, which no cache may keep. Whoever knows better sets the header anew. */
export const dontStore: RequestHandler = (_request, response, next) => {
  response.setHeader("Cache-Control", "no-store");
  next();
};

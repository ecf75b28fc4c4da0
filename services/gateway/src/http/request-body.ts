import { StreamError } from "@sluice/core";
import express, { type Request, type RequestHandler } from "express";
import type { z } from "zod";

export const JSON_TYPE = "application/json";
export const NDJSON_TYPE = "application/x-ndjson";

export function hasBody(request: Request): boolean {
  return request.get("transfer-encoding") !== undefined || Number(request.get("content-length") ?? 0) > 0;
}

/** @throws StreamError UNSUPPORTED_MEDIA_TYPE where the body is of another type; a request without body is fine */
export function assertType(request: Request, types: readonly string[]): void {
  if (!hasBody(request) || typeof request.is([...types]) === "string") return;
  const given = request.get("content-type") ?? "none";
  throw new StreamError("UNSUPPORTED_MEDIA_TYPE", `the content type is ${given}: send ${types.join(" or ")}`);
}

// Larger bodies than this are chunks.
const MAX_REQUEST_BYTES = 1024 * 1024;

export const assertJson: RequestHandler = (request, _response, next) => {
  assertType(request, [JSON_TYPE]);
  next();
};

/** Reads what is no chunk: JSON, or nothing. */
export const readSmallJson: RequestHandler[] = [
  assertJson,
  express.json({ limit: MAX_REQUEST_BYTES, type: JSON_TYPE }),
];

/** @throws StreamError INVALID_REQUEST with `field` */
export function parseBody<T extends z.ZodType>(schema: T, request: Request): z.output<T> {
  const parsed = schema.safeParse(request.body ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const keys = issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const field = [...(issue?.path ?? []), ...keys].join(".");
  const message = `${field === "" ? "body" : field}: ${issue?.message ?? "invalid"}`;
  throw new StreamError("INVALID_REQUEST", message, { details: { field } });
}

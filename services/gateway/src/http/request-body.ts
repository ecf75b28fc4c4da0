import { StreamError, type StreamErrorCode } from "@sluice/core";
import { faultOfJson } from "@sluice/protocol";
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

const MAX_FIELD_CHARACTERS = 256;

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

/**
 * Reads a body that was parsed before.
 * @throws StreamError with `field`: INVALID_REQUEST where the body is of another shape; UNPROCESSABLE where it has a value
 * that can't be kept, however it is nested
 */
export function parseBody<T extends z.ZodType>(schema: T, request: Request): z.output<T> {
  const body: unknown = request.body ?? {};
  const fault = faultOfJson(body);
  if (fault !== null) throw refused("UNPROCESSABLE", fault.path ?? [], fault.reason);
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const keys = issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const code = issue?.code === "custom" ? "UNPROCESSABLE" : "INVALID_REQUEST";
  throw refused(code, [...(issue?.path ?? []), ...keys], issue?.message ?? "invalid");
}

function refused(code: StreamErrorCode, path: readonly PropertyKey[], reason: string): StreamError {
  // Keys are the sender's: they stand in an answer and in a log line.
  const field = path.map(String).join(".").slice(0, MAX_FIELD_CHARACTERS);
  return new StreamError(code, `${field === "" ? "body" : field}: ${reason}`, { details: { field } });
}

import { StreamError, type StreamErrorCode } from "@sluice/core";
import { faultOfJson } from "@sluice/protocol";
import { hasBody, jsonBody, type BodyBudget, type BodyPaceLimits } from "@sluice/runtime";
import type { Request, RequestHandler } from "express";
import type { z } from "zod";

export const JSON_TYPE = "application/json";
export const NDJSON_TYPE = "application/x-ndjson";

/** @throws StreamError UNSUPPORTED_MEDIA_TYPE where the body is of another type; a request without body is fine */
export function assertType(request: Request, types: readonly string[]): void {
  if (!hasBody(request) || typeof request.is([...types]) === "string") return;
  const given = request.get("content-type") ?? "none";
  throw new StreamError("UNSUPPORTED_MEDIA_TYPE", `the content type is ${given}: send ${types.join(" or ")}`);
}

const MAX_FIELD_CHARACTERS = 256;

// Larger bodies than this are chunks.
const MAX_REQUEST_BYTES = 1024 * 1024;

/** Bounds of the bodies of all requests. */
export interface BodyParts {
  budget: BodyBudget;
  pace: BodyPaceLimits;
}

/** Reads JSON, or nothing, of at most 1 MiB where nothing else is said. */
export function readJson(bodies: BodyParts, maxBytes = MAX_REQUEST_BYTES): RequestHandler {
  const read = jsonBody({ ...bodies, maxBytes });
  return (request, response, next) => {
    assertType(request, [JSON_TYPE]);
    return read(request, response, next);
  };
}

/**
 * Reads a body that was parsed before.
 * @throws StreamError with `field`: INVALID_REQUEST where the body is of another shape; UNPROCESSABLE where it has a value
 * that can't be kept, however it is nested
 */
export function parseBody<T extends z.ZodType>(schema: T, request: Request): z.output<T> {
  // Only a body that is missing stands for an empty object; `null` is none.
  const body: unknown = request.body === undefined ? {} : request.body;
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

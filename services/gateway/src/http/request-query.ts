import { StreamError } from "@sluice/core";
import type { Request } from "express";
import { z } from "zod";

/** A whole number in the query, from 1 to a bound. */
export const pageSize = (most: number, fallback: number) =>
  z.coerce.number().int().min(1).max(most).default(fallback);

/** @throws StreamError INVALID_REQUEST with `field`; also for an unknown parameter, which would be lost without a word */
export function parseQuery<T extends z.ZodType>(schema: T, request: Request): z.output<T> {
  const parsed = schema.safeParse(request.query);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const keys = issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const field = [...(issue?.path ?? []), ...keys].join(".");
  throw new StreamError("INVALID_REQUEST", `${field}: ${issue?.message ?? "invalid"}`, {
    details: { field },
  });
}

import type { JsonValue } from "@sluice/core";
import { z } from "zod";

/**
 * Arrays and objects within each other that free JSON may have. With those around it a chunk stays below 100, at which
 * many readers' parsers give up; and whether it is accepted doesn't depend on how much stack a process has left.
 */
export const MAX_JSON_DEPTH = 96;

/** JSON of a caller's own shape. Refuses its absence, what is nested deeper than 96 levels, and numbers beyond a double. */
export const freeJson = z
  .custom<JsonValue>((value) => value !== undefined, { error: "is required", abort: true })
  .superRefine((value, context) => {
    const fault = faultOfJson(value);
    if (fault !== null)
      context.addIssue({ code: "custom", message: fault.reason, path: [...(fault.path ?? [])] });
  });

/** Fault of a JSON value, and its place; `path` is null where it would be as long as the value is deep. */
export interface JsonFault {
  path: readonly string[] | null;
  reason: string;
}

/**
 * Finds what can't be kept of a JSON value as it is; null where all of it can. `JSON.parse` turns `1e400` into Infinity,
 * which `JSON.stringify` would write as null, and takes any depth, at which `JSON.stringify` runs out of stack.
 */
export function faultOfJson(value: unknown, levels = MAX_JSON_DEPTH): JsonFault | null {
  if (typeof value === "number" && !Number.isFinite(value)) {
    return { path: [], reason: "is a number beyond the range of a double" };
  }
  if (typeof value !== "object" || value === null) return null;
  if (levels === 0) return { path: null, reason: `is nested more than ${MAX_JSON_DEPTH} levels deep` };
  for (const [key, inner] of Object.entries(value)) {
    const fault = faultOfJson(inner, levels - 1);
    if (fault === null) continue;
    return fault.path === null ? fault : { ...fault, path: [key, ...fault.path] };
  }
  return null;
}

/** An object whose keys and values are strings. Refuses the key `__proto__`, which zod drops from a record silently. */
export function stringRecord(key: z.ZodString, value: z.ZodString) {
  return z
    .custom<Record<string, string>>(
      (record) => typeof record !== "object" || record === null || !Object.hasOwn(record, "__proto__"),
      { error: "must not have a key __proto__" },
    )
    .pipe(z.record(key, value))
    .meta({ type: "object", additionalProperties: { type: "string" } });
}

import type { JsonValue } from "@sluice/core";

/** What arrives of a value that goes through JSON; null where nothing can (a function, a cycle). */
export function toJson(value: unknown): JsonValue {
  try {
    return JSON.parse(JSON.stringify(value) ?? "null") as JsonValue;
  } catch {
    return null;
  }
}

/** An object's members, or none. */
export function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** A string that says something. */
export function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

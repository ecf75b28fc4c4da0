import type { JsonValue } from "@sluice/core";

/** Converts a value as JSON does; null where it can't (a function, a cycle). */
export function toJson(value: unknown): JsonValue {
  try {
    return JSON.parse(JSON.stringify(value) ?? "null") as JsonValue;
  } catch {
    return null;
  }
}

/** The value that a text holds as JSON; undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An object's members, or none. */
export function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** A list's items, a single value as a list of one, or nothing. */
export function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return saysSomething(value) ? [value] : [];
}

/** A string that says something. */
export function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/** The first of them that is a string and says something. */
export function firstText(...values: unknown[]): string | null {
  return values.find(isText) ?? null;
}

/** Rule 1: neither empty text, nor null, nor a list or an object of nothing but such is a value. */
export function saysSomething(value: unknown, levels = 4): boolean {
  if (value === null || value === undefined || value === "" || value === false) return false;
  // Of what lies deeper nobody asks.
  if (typeof value !== "object" || levels === 0) return true;
  return Object.values(value).some((inner) => saysSomething(inner, levels - 1));
}

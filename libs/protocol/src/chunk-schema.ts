import type { JsonValue } from "@sluice/core";
import { z } from "zod";

/** Largest chunk, in bytes of what the producer sent for it, as compact JSON (the seed's `max_chunk_size`). */
export const MAX_CHUNK_BYTES = 1024 * 1024;

/**
 * Arrays and objects within each other that free JSON may have. With those around it a chunk stays below 100, at which
 * many readers' parsers give up; and whether it is accepted doesn't hang on how much stack a process has left.
 */
const MAX_JSON_DEPTH = 96;

/** What comes out of JSON.parse is JSON; only its absence and its depth have to be caught. */
const json = z
  .custom<JsonValue>((value) => value !== undefined, { error: "is required", abort: true })
  .refine((value) => nestsWithin(value, MAX_JSON_DEPTH), {
    error: `is nested more than ${MAX_JSON_DEPTH} levels deep`,
  });
const count = z.int().nonnegative();

/** Unknown fields are refused, not dropped: a misspelt field would otherwise be lost without a word. */
export const chunkTypeSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("Text"), content: z.string() }),
  z.strictObject({ type: z.literal("Json"), data: json }),
  z.strictObject({ type: z.literal("Event"), event_type: z.string(), payload: json }),
  z.strictObject({
    type: z.literal("Progress"),
    current: count,
    total: count.nullable().default(null),
    message: z.string().default(""),
  }),
  z.strictObject({ type: z.literal("Error"), error: z.string(), code: z.string() }),
  z.strictObject({ type: z.literal("Complete"), summary: z.string().nullable().default(null) }),
  z.strictObject({ type: z.literal("Heartbeat") }),
]);

/** Most seconds a chunk may ask to stay cached: a day, as long as the log keeps it. */
export const MAX_CACHE_TTL_SECONDS = 86_400;

/** zod leaves `__proto__` out of a record without a word. */
const labels = z
  .custom<Record<string, string>>(
    (value) => typeof value !== "object" || value === null || !Object.hasOwn(value, "__proto__"),
    {
      error: "must not have a key __proto__",
    },
  )
  .pipe(z.record(z.string(), z.string()));

export const chunkMetadataSchema = z.strictObject({
  source: z.string().default("unknown"),
  content_type: z.string().default("application/json"),
  compression: z.string().nullable().default(null),
  cache_ttl: z.int().positive().max(MAX_CACHE_TTL_SECONDS).nullable().default(null),
  custom: labels.default({}),
});

export const chunkDraftSchema = z.strictObject({
  chunk_type: chunkTypeSchema,
  data: json.optional(),
  metadata: chunkMetadataSchema.optional(),
  timestamp: z.int().nonnegative().optional(),
});

function nestsWithin(value: JsonValue, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => nestsWithin(inner, levels - 1));
}

export type ParsedChunkDraft = z.output<typeof chunkDraftSchema>;

/** A draft, or a bare chunk type such as `{"type":"Text","content":"hi"}`. */
export function parseChunkDraft(
  value: unknown,
): { ok: true; draft: ParsedChunkDraft } | { ok: false; reason: string; field: string } {
  const isBare = typeof value === "object" && value !== null && !("chunk_type" in value) && "type" in value;
  const parsed = chunkDraftSchema.safeParse(isBare ? { chunk_type: value } : value);
  if (parsed.success) return { ok: true, draft: parsed.data };
  const issue = parsed.error.issues[0];
  const path = issue?.path.slice(isBare ? 1 : 0).join(".") ?? "";
  const field = issue?.code === "unrecognized_keys" ? [path, issue.keys[0]].filter(Boolean).join(".") : path;
  return { ok: false, field, reason: `${field === "" ? "chunk" : field}: ${issue?.message ?? "invalid"}` };
}

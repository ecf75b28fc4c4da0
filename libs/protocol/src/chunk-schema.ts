import { z } from "zod";
import { freeJson, stringRecord } from "./free-json.ts";

/** Largest chunk, in bytes of what the producer sent for it, as compact JSON (`max_chunk_size` of the original client API). */
export const MAX_CHUNK_BYTES = 1024 * 1024;

const count = z.int().nonnegative();

/** Unknown fields are refused, not dropped: a misspelt field would otherwise be lost without a word. */
export const chunkTypeSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("Text"), content: z.string() }),
  z.strictObject({ type: z.literal("Json"), data: freeJson }),
  z.strictObject({ type: z.literal("Event"), event_type: z.string(), payload: freeJson }),
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

export const chunkMetadataSchema = z.strictObject({
  source: z.string().default("unknown"),
  content_type: z.string().default("application/json"),
  compression: z.string().nullable().default(null),
  cache_ttl: z.int().positive().max(MAX_CACHE_TTL_SECONDS).nullable().default(null),
  custom: stringRecord(z.string(), z.string()).default({}),
});

export const chunkDraftSchema = z.strictObject({
  chunk_type: chunkTypeSchema,
  data: freeJson.optional(),
  metadata: chunkMetadataSchema.optional(),
  timestamp: z.int().nonnegative().optional(),
});

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

import { z } from "zod";
import { MAX_ELEMENTS_PER_MESSAGE } from "@sluice/core";
import { chunkDraftSchema, chunkMetadataSchema, chunkTypeSchema } from "./chunk-schema.ts";
import { streamOptionsSchema } from "./stream-options.ts";
import { STREAM_ID } from "./stream-id-schema.ts";

/** Most streams that one request creates: each is a message of the log, and all of them wait for it. */
export const MAX_STREAMS_PER_BATCH = 100;

const count = z.int().nonnegative();

/** Validated by the server's own rule for ids, which has a code of its own; the pattern is for the description. */
const chosenId = z.string().meta({ pattern: STREAM_ID.pattern });

/** Bodies of requests to the gateway. Unknown fields are refused: a misspelt one would be lost without a word. */
export const creationSchema = z.strictObject({
  stream_id: chosenId.optional(),
  options: streamOptionsSchema.optional(),
});
export const batchCreationSchema = z.strictObject({
  // An id that is none is refused by itself, in its place.
  streams: z
    .array(creationSchema.extend({ stream_id: z.string().optional() }))
    .min(1)
    .max(MAX_STREAMS_PER_BATCH),
});
export const completionSchema = z.strictObject({ summary: z.string().nullable().default(null) });
export const promptRequestSchema = z.strictObject({
  prompt: z.string().min(1),
  stream_id: chosenId.optional(),
});
/** A chat completion as OpenAI's API takes it; the model server judges the rest. */
export const proxyRequestSchema = z.looseObject({
  model: z.string().min(1),
  messages: z.array(z.looseObject({ role: z.string() })).min(1),
});
/** A draft or a bare chunk type. For the description only: what is wrong with one `parseChunkDraft` says better. */
export const sentChunkSchema = z.union([chunkDraftSchema, chunkTypeSchema]);
export const sentChunksSchema = z.union([
  sentChunkSchema,
  z.array(sentChunkSchema).max(MAX_ELEMENTS_PER_MESSAGE),
]);

const status = z.enum(["open", "completed", "errored", "cancelled", "deleted"]);

/** Bodies of answers. */
export const serviceIndexSchema = z.strictObject({
  service: z.string(),
  routes: z.record(z.string(), z.string()),
});
export const streamUrlsSchema = z.strictObject({
  events: z.url(),
  chunks: z.string(),
  status: z.string(),
});
export const createdSchema = z.strictObject({ stream_id: z.string(), urls: streamUrlsSchema });

export const problemSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
});

export const batchCreatedSchema = z.strictObject({
  streams: z.array(
    z.union([
      createdSchema.extend({ status: z.literal(201) }),
      z.strictObject({ stream_id: z.string(), status: z.int().min(400), problem: problemSchema }),
    ]),
  ),
});

export const appendCountsSchema = z.strictObject({
  accepted: count,
  first_sequence: count.nullable(),
  last_sequence: count.nullable(),
  broker_sequence: count.nullable(),
});
export const appendedSchema = appendCountsSchema.extend({ stream_id: z.string() });

/** A line of the answer to an upload. */
export const uploadLineSchema = z.union([
  appendCountsSchema.extend({ line: count }),
  z.strictObject({ cancelled: z.literal(true), reason: z.enum(["requested", "abandoned"]) }),
  appendedSchema,
  problemSchema,
]);

export const streamStatusSchema = z.strictObject({
  stream_id: z.string(),
  status,
  head_sequence: count,
  chunk_count: count,
  byte_count: count,
  created_ms: count,
  updated_ms: count,
  ended_ms: count.nullable(),
  cancel_requested_ms: count.nullable(),
  /** Options as published: anyone may have published them. */
  options: z.unknown(),
});

/** Outcome of a request to stop a stream. */
export const cancelAnsweredSchema = z.strictObject({ stream_id: z.string(), status });

/** A chunk as readers get it. */
export const storedChunkSchema = z.strictObject({
  stream_id: z.string(),
  sequence: count,
  chunk_type: chunkTypeSchema,
  data: z.unknown(),
  metadata: chunkMetadataSchema,
  timestamp: count,
});

export const historyPageSchema = z.strictObject({
  stream_id: z.string(),
  chunks: z.array(storedChunkSchema),
  next_after: count,
  head: count,
  status,
  gaps: z
    .array(
      z.union([
        z.looseObject({ from: count, to: count, reason: z.string() }),
        z.looseObject({ reset: z.literal(true), cursor: count, head: count, reason: z.string() }),
      ]),
    )
    .optional(),
});

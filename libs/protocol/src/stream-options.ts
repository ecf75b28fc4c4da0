import { z } from "zod";
import { MAX_CACHE_TTL_SECONDS } from "./chunk-schema.ts";

/** What a stream's creator may ask for. Travels in the creating message, so it is in the log too. */
export const streamOptionsSchema = z.strictObject({
  /** Seconds that its chunks stay in the cache after the last one, where a chunk doesn't say otherwise. */
  cache_ttl: z.int().positive().max(MAX_CACHE_TTL_SECONDS).optional(),
  /** Free labels, shown in the stream's status. */
  custom: z.record(z.string().max(128), z.string().max(1024)).optional(),
});

export type StreamOptions = z.output<typeof streamOptionsSchema>;

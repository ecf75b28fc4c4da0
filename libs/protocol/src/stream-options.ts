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

/** The `cache_ttl` of options as they stand in the log, seconds; null where they don't ask for one or are malformed. */
export function cacheTtlOfOptions(options: string | null): number | null {
  if (options === null) return null;
  try {
    return streamOptionsSchema.parse(JSON.parse(options)).cache_ttl ?? null;
  } catch {
    // Anyone may publish any header: what can't be read asks for nothing.
    return null;
  }
}

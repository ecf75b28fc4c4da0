import { z } from "zod";
import { MAX_CACHE_TTL_SECONDS } from "./chunk-schema.ts";

// Less would take a reader that changes its server, or comes back after a cut, for one that has gone.
export const MIN_ABANDONED_SECONDS = 5;
export const MAX_ABANDONED_SECONDS = 86_400;

/** What a stream's creator may ask for. Travels in the creating message, so it is in the log too. */
export const streamOptionsSchema = z.strictObject({
  /** Seconds that its chunks stay in the cache after the last one, where a chunk doesn't say otherwise. */
  cache_ttl: z.int().positive().max(MAX_CACHE_TTL_SECONDS).optional(),
  /** The stream is cancelled when nobody has read it for so long. */
  cancel_when_abandoned_seconds: z.int().min(MIN_ABANDONED_SECONDS).max(MAX_ABANDONED_SECONDS).optional(),
  /** Free labels, shown in the stream's status. */
  custom: z.record(z.string().max(128), z.string().max(1024)).optional(),
});

export type StreamOptions = z.output<typeof streamOptionsSchema>;

/** The `cache_ttl` of options as they stand in the log, seconds; null where they don't ask for one or are malformed. */
export function cacheTtlOfOptions(options: string | null): number | null {
  return readOptions(options)?.cache_ttl ?? null;
}

/** After how long without a reader the stream is to be stopped, ms; null: never for that. */
export function abandonLimitMsOfOptions(options: string | null): number | null {
  const seconds = readOptions(options)?.cancel_when_abandoned_seconds;
  return seconds === undefined ? null : seconds * 1000;
}

/** Lenient to what a newer version may ask for besides. */
const loggedOptionsSchema = streamOptionsSchema.strip();

function readOptions(options: string | null): StreamOptions | null {
  if (options === null) return null;
  try {
    return loggedOptionsSchema.parse(JSON.parse(options));
  } catch {
    // Anyone may publish any header: what can't be read asks for nothing.
    return null;
  }
}

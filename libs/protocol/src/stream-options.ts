import { z } from "zod";
import { MAX_CACHE_TTL_SECONDS } from "./chunk-schema.ts";
import { stringRecord } from "./free-json.ts";

/** Largest options of a stream, bytes of compact JSON. They stay in Redis for as long as the stream's record. */
export const MAX_OPTIONS_BYTES = 4096;

// Less would take a reader that changes its server, or comes back after a cut, for one that has gone.
export const MIN_ABANDONED_SECONDS = 5;
export const MAX_ABANDONED_SECONDS = 86_400;

// Less and the comments of 10,000 silent streams would be more work than their chunks. More than its own interval an edge
// never allows: proxies in front would cut the connection.
export const MIN_KEEP_ALIVE_MS = 1_000;
export const MAX_KEEP_ALIVE_MS = 3_600_000;

const fields = z.strictObject({
  /** Seconds that its chunks stay in the cache after the last one, where a chunk doesn't say otherwise. */
  cache_ttl: z.int().positive().max(MAX_CACHE_TTL_SECONDS).optional(),
  /** The stream is cancelled when nobody has read it for so long. */
  cancel_when_abandoned_seconds: z.int().min(MIN_ABANDONED_SECONDS).max(MAX_ABANDONED_SECONDS).optional(),
  /**
   * Readers get a comment after at most this much silence, ms. The edge's own KEEP_ALIVE_INTERVAL_MS is the ceiling; on a
   * connection of several streams the shortest interval counts.
   */
  heartbeat_interval_ms: z.int().min(MIN_KEEP_ALIVE_MS).max(MAX_KEEP_ALIVE_MS).optional(),
  /** Free labels, shown in the stream's status. */
  custom: stringRecord(z.string().max(128), z.string().max(1024)).optional(),
});

/** Options of a stream, as its creator gives them. The creating message carries them, so the log has them, too. */
export const streamOptionsSchema = fields.refine(
  (options) => Buffer.byteLength(JSON.stringify(options)) <= MAX_OPTIONS_BYTES,
  { error: `must have at most ${MAX_OPTIONS_BYTES} bytes of JSON` },
);

export type StreamOptions = z.output<typeof streamOptionsSchema>;

/** The `cache_ttl` of options as they stand in the log, seconds; null where they don't ask for one or are malformed. */
export function cacheTtlOfOptions(options: string | null): number | null {
  return readOptions(options)?.cache_ttl ?? null;
}

/** Time without a reader after which the stream is stopped, ms; null: never for that. */
export function abandonLimitMsOfOptions(options: string | null): number | null {
  const seconds = readOptions(options)?.cancel_when_abandoned_seconds;
  return seconds === undefined ? null : seconds * 1000;
}

/** The keep-alive interval that the stream asks for, ms; null: the edge's own. */
export function keepAliveIntervalMsOfOptions(options: string | null): number | null {
  return readOptions(options)?.heartbeat_interval_ms ?? null;
}

/** A message's options as they are kept: none where they are above the limit, since anyone may publish any header. */
export function keptOptions(options: string | null): string | null {
  return options !== null && Buffer.byteLength(options) <= MAX_OPTIONS_BYTES ? options : null;
}

/** Lenient to what a newer version may ask for besides. */
const loggedOptionsSchema = fields.strip();

function readOptions(options: string | null): StreamOptions | null {
  if (options === null) return null;
  try {
    return loggedOptionsSchema.parse(JSON.parse(options));
  } catch {
    // Anyone may publish any header: what can't be read asks for nothing.
    return null;
  }
}

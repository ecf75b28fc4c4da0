/** Any value that JSON can carry. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** Content of a chunk. `Complete` and `Error` end their stream; `Heartbeat` takes no sequence. */
export type ChunkType =
  | { type: "Text"; content: string }
  | { type: "Json"; data: JsonValue }
  | { type: "Event"; event_type: string; payload: JsonValue }
  | { type: "Progress"; current: number; total: number | null; message: string }
  | { type: "Error"; error: string; code: string }
  | { type: "Complete"; summary: string | null }
  | { type: "Heartbeat" };

interface ChunkTypeFacts {
  /** False if it takes no sequence and is sent to live readers only. */
  readonly isNumbered: boolean;
  /** True if it carries free JSON, which may hold values that JSON can't. */
  readonly hasJson: boolean;
}

/**
 * The chunk types. One that is missing here doesn't compile. Its server-sent event is named after it, in lower case.
 */
export const CHUNK_TYPES = {
  Text: { isNumbered: true, hasJson: false },
  Json: { isNumbered: true, hasJson: true },
  Event: { isNumbered: true, hasJson: true },
  Progress: { isNumbered: true, hasJson: false },
  Error: { isNumbered: true, hasJson: false },
  Complete: { isNumbered: true, hasJson: false },
  Heartbeat: { isNumbered: false, hasJson: false },
} as const satisfies Record<ChunkType["type"], ChunkTypeFacts>;

export interface ChunkMetadata {
  source: string;
  content_type: string;
  compression: string | null;
  /** Seconds that the chunk stays in the cache after it was written; null: the service's default. */
  cache_ttl: number | null;
  custom: Record<string, string>;
}

/** One chunk as clients receive it. The names are the wire's, hence snake_case. */
export interface Chunk {
  stream_id: string;
  /** Position among the elements of its stream in the log, dense from 1. */
  sequence: number;
  chunk_type: ChunkType;
  data: JsonValue;
  metadata: ChunkMetadata;
  /** Milliseconds since 1970, set by the producer, else by the log when it stored the chunk. */
  timestamp: number;
}

/** One chunk as producers send it: no stream, no sequence, and everything but the type optional. */
export interface ChunkDraft {
  chunk_type: ChunkType;
  data?: JsonValue;
  metadata?: Partial<ChunkMetadata>;
  timestamp?: number;
}

/** How a stream stands. All but `open` are final, but that an ended stream can still be `deleted`. */
export type StreamStatus = "open" | "completed" | "errored" | "cancelled" | "deleted";
export type EndStatus = Exclude<StreamStatus, "open">;

/** The code of the Error chunk that ends a stream as `cancelled` instead of `errored`. */
export const CANCELLED_CODE = "CANCELLED";

/** Codes of the Error chunk by which ingest ends a stream that its producer doesn't end. */
export const SERVICE_END_CODES = ["IDLE_TIMEOUT", "STREAM_LIMIT", "PRODUCER_LOST", CANCELLED_CODE] as const;
export type ServiceEndCode = (typeof SERVICE_END_CODES)[number];

/** The status in which a chunk of this type leaves its stream, or null where it goes on. */
export function endStatusOf(chunkType: ChunkType): EndStatus | null {
  if (chunkType.type === "Complete") return "completed";
  if (chunkType.type === "Error") return chunkType.code === CANCELLED_CODE ? "cancelled" : "errored";
  return null;
}

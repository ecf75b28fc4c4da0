import {
  CHUNK_TYPES,
  endStatusOf,
  StreamError,
  toWellFormedJson,
  type ChunkDraft,
  type ChunkType,
  type EndStatus,
} from "@sluice/core";
import { MAX_CHUNK_BYTES, parseChunkDraft, type ParsedChunkDraft } from "@sluice/protocol";

/** A chunk that was found valid, as it will travel. */
export interface EncodedChunk {
  json: string;
  bytes: number;
  endStatus: EndStatus | null;
  /** False for a heartbeat, which takes no sequence. */
  isNumbered: boolean;
}

/**
 * Validates a chunk and encodes it. Half characters, which no reader but JavaScript's could read, become U+FFFD.
 * @param index its place among those sent together, told in the error; null where it is alone
 * @throws StreamError INVALID_CHUNK with `field` (and `index`), CHUNK_TOO_LARGE
 */
export function encodeChunk(value: ChunkType | ChunkDraft, index: number | null = null): EncodedChunk {
  const draft = parse(value, index);
  const json = stringify(draft, index);
  // What JSON leaves out (a function, a toJSON that gives undefined) would be missed only when ingest rejects the chunk.
  if (carriesFreeJson(draft)) parse(JSON.parse(json), index);

  const bytes = Buffer.byteLength(json);
  if (bytes > MAX_CHUNK_BYTES) {
    throw new StreamError(
      "CHUNK_TOO_LARGE",
      `${at(index)}chunk has ${bytes} bytes, at most ${MAX_CHUNK_BYTES} are allowed: send it in pieces`,
      { details: position(index) },
    );
  }
  return {
    json,
    bytes,
    endStatus: endStatusOf(draft.chunk_type),
    isNumbered: CHUNK_TYPES[draft.chunk_type.type].isNumbered,
  };
}

/**
 * Checks chunks before they are sent: one, or an array of chunks that travel together.
 * @throws StreamError INVALID_CHUNK with `details.field`, CHUNK_TOO_LARGE; for an array with `details.index`
 */
export function assertChunks(sent: unknown): void {
  if (!Array.isArray(sent)) encodeChunk(sent as ChunkDraft);
  else for (const [index, chunk] of sent.entries()) encodeChunk(chunk as ChunkDraft, index);
}

function parse(value: unknown, index: number | null): ParsedChunkDraft {
  const parsed = parseChunkDraft(value);
  if (parsed.ok) return parsed.draft;
  throw invalid(parsed.reason, parsed.field, index);
}

function stringify(draft: ParsedChunkDraft, index: number | null): string {
  try {
    return toWellFormedJson(JSON.stringify(draft));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid(`chunk can't be written as JSON: ${reason}`, "", index);
  }
}

function carriesFreeJson(draft: ParsedChunkDraft): boolean {
  return draft.data !== undefined || CHUNK_TYPES[draft.chunk_type.type].hasJson;
}

function invalid(reason: string, field: string, index: number | null): StreamError {
  return new StreamError("INVALID_CHUNK", `${at(index)}${reason}`, {
    details: { field, ...position(index) },
  });
}

function at(index: number | null): string {
  return index === null ? "" : `chunk at index ${index}: `;
}

function position(index: number | null): { index: number } | Record<string, never> {
  return index === null ? {} : { index };
}

import {
  endStatusOf,
  MAX_ELEMENTS_PER_MESSAGE,
  toWellFormedJson,
  type LogElement,
  type LogEntry,
  type StoredMessage,
} from "@sluice/core";
import { escapeLineBreaks } from "./chunk-json.ts";
import { parseChunkDraft, type ParsedChunkDraft } from "./chunk-schema.ts";
import { keptOptions } from "./stream-options.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Takes a stored message apart. Never throws: what is malformed becomes a rejected element, so that every message has
 * its place in the numbering. A payload that is no JSON, or an array of more than 1,024, counts as one element.
 */
export function decodeMessage(message: StoredMessage, maxChunkBytes: number): LogEntry {
  const isTombstone = message.control === "delete";
  const { elements, heartbeat } = isTombstone ? NOTHING : decodeElements(message, maxChunkBytes);
  return {
    streamId: message.streamId,
    brokerSequence: message.brokerSequence,
    timestampMs: message.timestampMs,
    firstSequence: firstSequenceOf(message, elements.length),
    isTombstone,
    options: keptOptions(message.options),
    beatIntervalMs: message.beatIntervalMs,
    elements,
    ...(heartbeat === undefined ? {} : { heartbeat }),
  };
}

/** A number that doubles can't count on from proves nothing: several chunks would share one. */
function firstSequenceOf(message: StoredMessage, count: number): number | null {
  const { producerSequence, expectedLastSequence } = message;
  if (producerSequence !== null && Number.isSafeInteger(producerSequence + count)) return producerSequence;
  return expectedLastSequence === 0 ? 1 : null;
}

/** The JSON values of a payload, one by element; a payload that is no array is one. Throws where it is no JSON. */
export function splitPayload(payload: Uint8Array): unknown[] {
  const value: unknown = JSON.parse(utf8.decode(payload));
  return Array.isArray(value) ? (value as unknown[]) : [value];
}

/** The values that take a number, in order: an element's index in a `LogEntry` is its index here. */
export function withoutHeartbeats(values: readonly unknown[]): unknown[] {
  return values.filter((value) => declaredType(value) !== "Heartbeat");
}

const IDLE_END = '"code":"IDLE_TIMEOUT"}';

/**
 * Whether a message holds nothing but the end that is given to a silent stream. As a stream's only chunk it tells that
 * nobody has ever written to it.
 */
export function isIdleEnd({ elements }: Pick<LogEntry, "elements">): boolean {
  const [only] = elements;
  if (elements.length !== 1 || only?.kind !== "chunk" || only.endStatus !== "errored") return false;
  return only.body.includes(IDLE_END);
}

const MAX_GROWTH = 5;

type Decoded = Pick<LogEntry, "elements" | "heartbeat">;

const NOTHING: Decoded = { elements: [] };

function decodeElements(message: StoredMessage, maxChunkBytes: number): Decoded {
  let values: unknown[];
  try {
    values = splitPayload(message.payload);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { elements: [rejected(`payload is not JSON in UTF-8: ${reason}`)] };
  }
  if (values.length > MAX_ELEMENTS_PER_MESSAGE) {
    const reason = `${values.length} elements in one message, at most ${MAX_ELEMENTS_PER_MESSAGE} are allowed`;
    return { elements: [rejected(reason)] };
  }
  // Elements are measured one by one only where the whole could hold one that is too large. Written anew it can grow:
  // `1e20,` becomes 22 bytes.
  const measure = message.payload.byteLength * MAX_GROWTH > maxChunkBytes;
  const decode = (value: unknown): LogElement =>
    decodeElement(value, message.timestampMs, measure ? maxChunkBytes : Infinity);
  const numbered = withoutHeartbeats(values);
  const elements = numbered.map((value) => {
    const element = decode(value);
    const isEnd = element.kind === "rejected" && ENDS.has(declaredType(value));
    return isEnd ? refusedEnd(element.reason, message.timestampMs) : element;
  });
  if (numbered.length === values.length) return { elements };
  const last = decode(values.findLast((value) => declaredType(value) === "Heartbeat"));
  return last.kind === "chunk" ? { elements, heartbeat: last.body } : { elements };
}

/**
 * Type that an element declares, right or wrong otherwise. Where numbers stop and what takes none hangs on this alone, by a
 * rule that never changes: a `Heartbeat` takes no number, `Complete` and `Error` end the stream, be they malformed or
 * too large. If it hung on what a version of the software accepts, two of them would number what follows differently.
 */
function declaredType(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  const chunkType = "chunk_type" in value ? value.chunk_type : value;
  return typeof chunkType === "object" && chunkType !== null && "type" in chunkType
    ? chunkType.type
    : undefined;
}

const ENDS = new Set<unknown>(["Complete", "Error"]);

/** Readers must learn that and why the stream is over, so a refused end is no placeholder but an Error chunk. */
function refusedEnd(reason: string, timestampMs: number): LogElement {
  const chunkType = { type: "Error", error: reason, code: "INVALID_CHUNK" } as const;
  const body = encodeChunkBody({ chunk_type: chunkType }, timestampMs);
  return { kind: "chunk", body, endStatus: "errored", cacheTtlSeconds: null, refusal: reason };
}

function decodeElement(value: unknown, timestampMs: number, maxBytes: number): LogElement {
  try {
    return encodeElement(value, timestampMs, maxBytes);
  } catch (error) {
    // JSON.parse takes any depth, JSON.stringify runs out of stack.
    if (error instanceof RangeError) return rejected("chunk is nested too deeply");
    throw error;
  }
}

function encodeElement(value: unknown, timestampMs: number, maxBytes: number): LogElement {
  if (maxBytes !== Infinity) {
    const bytes = Buffer.byteLength(JSON.stringify(value));
    if (bytes > maxBytes) return rejected(`chunk has ${bytes} bytes, at most ${maxBytes} are allowed`);
  }
  const parsed = parseChunkDraft(value);
  if (!parsed.ok) return rejected(parsed.reason);
  const { draft } = parsed;
  return {
    kind: "chunk",
    body: encodeChunkBody(draft, timestampMs),
    endStatus: endStatusOf(draft.chunk_type),
    cacheTtlSeconds: draft.metadata?.cache_ttl ?? null,
  };
}

const DEFAULT_METADATA = JSON.stringify({
  source: "unknown",
  content_type: "application/json",
  compression: null,
  cache_ttl: null,
  custom: {},
});

/** The chunk's JSON after stream and sequence. A function of the message alone: no clock, fixed order of fields. */
function encodeChunkBody(draft: ParsedChunkDraft, timestampMs: number): string {
  const metadata = draft.metadata === undefined ? DEFAULT_METADATA : JSON.stringify(draft.metadata);
  const data = draft.data === undefined ? "null" : JSON.stringify(draft.data);
  const timestamp = draft.timestamp ?? timestampMs;
  const type = JSON.stringify(draft.chunk_type);
  // Producers of any kind may write half a character, and only JavaScript can read it.
  return escapeLineBreaks(
    toWellFormedJson(`"chunk_type":${type},"data":${data},"metadata":${metadata},"timestamp":${timestamp}}`),
  );
}

function rejected(reason: string): LogElement {
  return { kind: "rejected", reason };
}

import type { ChunkType } from "./chunk.ts";

/** `event_type` of a part. Its payload is a `JsonPart`. */
export const JSON_PART = "json_part";

/** One part of a JSON value that is too large or too deep for a chunk. */
export type JsonPart = {
  /** The value's own within its stream. */
  json_id: string;
  /** Number of the part, from 1. */
  part: number;
  parts: number;
  /** A piece of the value's JSON; those of all parts, joined, are the whole. */
  text: string;
};

// A chunk has at most 1 MiB of JSON; this leaves room for its other fields.
const MAX_JSON_BYTES = 1_000_000;
const MAX_JSON_DEPTH = 96;
// As a string within JSON a UTF-16 unit has at most three bytes.
const PART_CHARACTERS = 256 * 1024;

/**
 * Cuts the JSON of a value that no Json chunk can carry: one above 1,000,000 bytes, or nested more than 96 levels deep.
 * @param json as JSON.stringify writes it
 * @returns null where the value fits
 */
export function splitJson(json: string, jsonId: string): JsonPart[] | null {
  if (fitsChunk(json)) return null;
  const texts: string[] = [];
  for (let at = 0; at < json.length;) {
    const end = pieceEnd(json, at + PART_CHARACTERS);
    texts.push(json.slice(at, end));
    at = end;
  }
  return texts.map((text, index) => ({ json_id: jsonId, part: index + 1, parts: texts.length, text }));
}

/** The end of a piece of text that may have so many UTF-16 units: it doesn't part the two of one character. */
export function pieceEnd(text: string, end: number): number {
  const last = text.charCodeAt(end - 1);
  const next = text.charCodeAt(end);
  const isPair = last >= 0xd800 && last < 0xdc00 && next >= 0xdc00 && next < 0xe000;
  return Math.min(isPair ? end - 1 : end, text.length);
}

/** Joins the parts of one stream's values again. Chunks must be given in order. */
export class JsonJoiner {
  #jsonId = "";
  #texts: string[] = [];

  /**
   * The JSON of the value that this chunk carries: a Json chunk all of it, the last part of a value what all parts made up.
   * Null for every other chunk.
   * @throws Error where a part is missing
   */
  take(chunk: ChunkType): string | null {
    if (chunk.type === "Json") return JSON.stringify(chunk.data);
    if (chunk.type !== "Event" || chunk.event_type !== JSON_PART) return null;
    const { json_id, part, parts, text } = chunk.payload as JsonPart;
    // A writer that was replaced in the middle of a value begins another one.
    if (part === 1) this.#texts = [];
    else if (json_id !== this.#jsonId || part !== this.#texts.length + 1)
      throw new Error(`part ${this.#texts.length + 1} of the JSON value ${json_id} is missing`);
    this.#jsonId = json_id;
    this.#texts.push(text);
    if (part < parts) return null;
    const json = this.#texts.join("");
    this.#texts = [];
    return json;
  }
}

function fitsChunk(json: string): boolean {
  // A level has two brackets.
  if (json.length > 2 * MAX_JSON_DEPTH && depthOf(json) > MAX_JSON_DEPTH) return false;
  return json.length * 3 <= MAX_JSON_BYTES || new TextEncoder().encode(json).byteLength <= MAX_JSON_BYTES;
}

/** Arrays and objects within each other, in JSON that is valid. */
function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '"') at = stringEnd(json, at);
    else if (character === "[" || character === "{") deepest = Math.max(deepest, ++depth);
    else if (character === "]" || character === "}") depth--;
  }
  return deepest;
}

/** Where the string that begins here has its closing quote. */
function stringEnd(json: string, start: number): number {
  let at = start + 1;
  while (json[at] !== '"') at += json[at] === "\\" ? 2 : 1;
  return at;
}

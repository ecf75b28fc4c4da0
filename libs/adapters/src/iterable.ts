import {
  CHUNK_TYPES,
  endStatusOf,
  JSON_PART,
  splitJson,
  type ChunkDraft,
  type ChunkType,
  type JsonValue,
} from "@sluice/core";
import { adapt, type AdapterOptions, type Mapping } from "./adapt.ts";
import type { AnswerChunks } from "./answer-chunks.ts";
import type { Source } from "./read-source.ts";
import { SourceFailure } from "./source-failure.ts";
import { WholeDeltas } from "./whole-deltas.ts";

export type { AdapterOptions } from "./adapt.ts";

/** Text, bytes of text in UTF-8, a chunk, or any other JSON: an interface's objects are that, too, but to TypeScript. */
export type StreamItem = JsonValue | Uint8Array | ChunkType | ChunkDraft | object;

/**
 * Any stream or async iterable. Strings and bytes become Text; an object with `chunk_type`, or whose `type` is that of a chunk,
 * is sent as it is; everything else becomes Json, in several `json_part` Events where it is too large or too deep for one
 * chunk (`JsonJoiner` of @sluice/core joins them). Ends with the items' own Complete or Error chunk, else with Complete;
 * with SOURCE_ERROR where the source throws. It should catch what readers are to know, and yield an Error chunk.
 */
export function fromIterable(
  source: Source<StreamItem>,
  options: AdapterOptions = {},
): AsyncGenerator<ChunkDraft, void, undefined> {
  const settings = { ...options, defaultSource: "iterable", failureOf: sourceError };
  return adapt(source, settings, ({ chunks }) => new ItemMapping(chunks));
}

function sourceError(error: unknown): SourceFailure {
  return new SourceFailure("SOURCE_ERROR", "the source of the stream failed", { cause: error });
}

class ItemMapping implements Mapping<StreamItem> {
  readonly #chunks: AnswerChunks;
  /** Decoder of the whole stream: a character may be cut between two items. */
  readonly #decoder = new TextDecoder();
  readonly #deltas = new WholeDeltas();
  isEnded = false;
  #parted = 0;

  constructor(chunks: AnswerChunks) {
    this.#chunks = chunks;
  }

  *take(item: StreamItem): Generator<ChunkDraft> {
    if (typeof item === "string") yield* this.#chunks.text(item);
    else if (item instanceof Uint8Array)
      yield* this.#chunks.text(this.#decoder.decode(item, { stream: true }));
    else if (isChunk(item)) yield* this.#chunk("chunk_type" in item ? item : { chunk_type: item });
    else yield* this.#json(this.#deltas.take(item));
  }

  *finish(): Generator<ChunkDraft> {
    yield* this.#chunks.text(this.#decoder.decode());
    yield* this.#chunks.complete();
  }

  *#json(item: unknown): Generator<ChunkDraft> {
    const json = jsonOf(item);
    const parts = splitJson(json, `json_${this.#parted + 1}`);
    // As JSON has it: without `undefined`, with dates as text and NaN as null.
    if (parts === null) yield this.#chunks.json(JSON.parse(json) as JsonValue);
    else this.#parted++;
    for (const part of parts ?? []) yield this.#chunks.event(JSON_PART, part);
  }

  *#chunk(draft: ChunkDraft): Generator<ChunkDraft> {
    this.isEnded = endStatusOf(draft.chunk_type) !== null;
    if (this.isEnded) yield* this.#chunks.rest();
    yield { ...draft, metadata: { ...this.#chunks.metadata, ...draft.metadata } };
  }
}

/** @throws SourceFailure where it is no JSON: a cycle, a function, a BigInt */
function jsonOf(item: unknown): string {
  try {
    const json: unknown = JSON.stringify(item);
    if (typeof json === "string") return json;
    throw new TypeError(`a ${typeof item} is no JSON`);
  } catch (cause) {
    throw new SourceFailure("SOURCE_ERROR", "an item of the source can't be written as JSON", { cause });
  }
}

function isChunk(item: StreamItem): item is ChunkType | ChunkDraft {
  if (typeof item !== "object" || item === null) return false;
  if ("chunk_type" in item) return true;
  return "type" in item && typeof item.type === "string" && Object.hasOwn(CHUNK_TYPES, item.type);
}

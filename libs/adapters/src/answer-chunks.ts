import {
  cutText,
  WholeText,
  type ChunkDraft,
  type ChunkMetadata,
  type ChunkType,
  type JsonValue,
} from "@sluice/core";
import type { ContentPart } from "./content-parts.ts";
import { toJson } from "./json-value.ts";
import { SourceFailure } from "./source-failure.ts";
import type { TokenUsage } from "./token-usage.ts";

// A chunk has at most 1 MiB of JSON, and a character up to four bytes.
const MAX_RESULT_CHARACTERS = 240 * 1024;
// Base64 has one byte a character, and its length divides by four: each part decodes by itself.
const FILE_PART_CHARACTERS = 512 * 1024;
// With what stands around it, a piece stays below the 1 MiB of a chunk.
const MAX_PIECE_BYTES = 768 * 1024;
const MAX_PAYLOAD_BYTES = 1000 * 1024;
// Chunks may nest 96 levels deep; what stands around a value takes some of them.
const MAX_DEPTH = 90;

/** Hears of each part of an answer that could not be read. */
export type OnUnknownPart = (part: { name: string; original: JsonValue }) => void;

/**
 * The one place where what a model says becomes a chunk: README.md has the table. What a person reads is Text, so that
 * a reader who only joins Text chunks shows the answer; all else is an Event. Nothing empty becomes a chunk, half a
 * character waits for its other half, and text beyond a chunk's limit is cut between characters.
 */
export class AnswerChunks {
  model: string | null = null;
  /** Finish reason in the provider's own words. */
  finishReason: string | null = null;
  usage: TokenUsage | null = null;
  readonly metadata: Partial<ChunkMetadata> & { source: string };
  readonly #onUnknownPart: OnUnknownPart;
  /** Text on its way, by what it is part of, with the way to tell it. */
  readonly #texts = new Map<string, { whole: WholeText; tell: (text: string) => ChunkDraft }>();
  #files = 0;

  /** @param source `metadata.source` of every chunk */
  constructor(source: string, onUnknownPart: OnUnknownPart = () => undefined) {
    this.metadata = { source };
    this.#onUnknownPart = onUnknownPart;
  }

  text(content: string): ChunkDraft[] {
    return this.#pieces("text", content, (piece) => this.#draft({ type: "Text", content: piece }));
  }

  /** Text, as it is said in place of the answer; `metadata.custom.part` tells it from one. */
  refusal(content: string): ChunkDraft[] {
    return this.#pieces("refusal", content, (piece) => ({
      chunk_type: { type: "Text", content: piece },
      metadata: { ...this.metadata, custom: { part: "refusal" } },
    }));
  }

  /** @param choice null for the first */
  reasoning(text: string, choice: number | null = null): ChunkDraft[] {
    return this.#pieces(`reasoning ${choice}`, text, (piece) =>
      this.event("reasoning_delta", choice === null ? { text: piece } : { text: piece, choice }),
    );
  }

  choiceText(choice: number, text: string): ChunkDraft[] {
    return this.#pieces(`choice ${choice}`, text, (piece) =>
      this.event("choice_delta", { choice, text: piece }),
    );
  }

  toolCallDelta(toolCallId: string, argumentsDelta: string): ChunkDraft[] {
    return this.#pieces(`call ${toolCallId}`, argumentsDelta, (piece) =>
      this.event("tool_call_delta", { tool_call_id: toolCallId, arguments_delta: piece }),
    );
  }

  /** @throws SourceFailure beyond the size or depth of a chunk */
  json(data: JsonValue): ChunkDraft {
    demandFit("Json", data);
    return this.#draft({ type: "Json", data });
  }

  /** @throws SourceFailure beyond the size or depth of a chunk */
  event(eventType: string, payload: JsonValue): ChunkDraft {
    demandFit(eventType, payload);
    return this.#draft({ type: "Event", event_type: eventType, payload });
  }

  progress(current: number, total: number | null, message: string): ChunkDraft {
    return this.#draft({ type: "Progress", current, total, message });
  }

  /**
   * @param outcome.result left out where it would pass a chunk's limit: the Event says how much
   * @param outcome.isPreliminary another result of the same call follows
   */
  toolResult(outcome: {
    toolCallId: string;
    name: string | null;
    result: unknown;
    isError?: boolean;
    isPreliminary?: boolean;
  }): ChunkDraft {
    return this.event("tool_result", {
      tool_call_id: outcome.toolCallId,
      name: outcome.name,
      ...boundedMember("result", toJson(outcome.result)),
      is_error: outcome.isError ?? false,
      ...(outcome.isPreliminary === true && { preliminary: true }),
    });
  }

  /** Rule 5: a part of the answer that nothing here can read, as it came. */
  unknown(name: string, original: unknown): ChunkDraft {
    const part = toJson(original);
    this.#onUnknownPart({ name, original: part });
    return this.event("unknown_part", { name, ...boundedMember("original", part) });
  }

  /** A picture, say, in as many chunks as it needs. @param fileId by default the next of the answer's own */
  *file(mediaType: string, base64: string, fileId = `file_${++this.#files}`): Generator<ChunkDraft> {
    const parts = Math.ceil(base64.length / FILE_PART_CHARACTERS);
    for (let part = 0; part < parts; part++) {
      yield this.event("file_part", {
        file_id: fileId,
        media_type: mediaType,
        part: part + 1,
        parts,
        base64: base64.slice(part * FILE_PART_CHARACTERS, (part + 1) * FILE_PART_CHARACTERS),
      });
    }
  }

  /** Converts a content part that isn't a tool's. */
  content(part: Exclude<ContentPart, { kind: "tool" }>): Iterable<ChunkDraft> {
    switch (part.kind) {
      case "text":
        return this.text(part.text);
      case "refusal":
        return this.refusal(part.text);
      case "reasoning":
        return this.reasoning(part.text);
      case "citation":
        return [this.event("citation", { citation: part.citation })];
      case "file":
        return this.file(part.mediaType, part.base64);
      default:
        return [this.unknown(part.name, part.original)];
    }
  }

  /** Ends the answer. @param summary by default what it cost, if that is known */
  *complete(summary = this.usage && `Tokens used: ${this.usage.total_tokens}`): Generator<ChunkDraft> {
    yield* this.rest();
    const data = {
      model: this.model,
      finish_reason: this.finishReason,
      usage: this.usage && { ...this.usage },
    };
    yield { ...this.#draft({ type: "Complete", summary }), data };
  }

  /** Ends the answer. */
  *error({ message, code, data }: SourceFailure): Generator<ChunkDraft> {
    yield* this.rest();
    yield { ...this.#draft({ type: "Error", error: message.toWellFormed(), code }), data };
  }

  #pieces(of: string, text: string, tell: (text: string) => ChunkDraft): ChunkDraft[] {
    let known = this.#texts.get(of);
    if (known === undefined) this.#texts.set(of, (known = { whole: new WholeText(), tell }));
    const pieces = cutText(known.whole.push(text), MAX_PIECE_BYTES).map(tell);
    // Only half a character is worth remembering.
    if (!known.whole.hasHalf) this.#texts.delete(of);
    return pieces;
  }

  /** Tells the half characters that wait for what doesn't come any more, as U+FFFD. */
  *rest(): Generator<ChunkDraft> {
    for (const { whole, tell } of this.#texts.values()) yield tell(whole.end());
    this.#texts.clear();
  }

  #draft(chunk_type: ChunkType): ChunkDraft {
    return { chunk_type, metadata: this.metadata };
  }
}

/** Left out where it is too large or too deep for a chunk. */
function boundedMember(name: string, value: JsonValue): { [member: string]: JsonValue } {
  const characters = JSON.stringify(value).length;
  const fits = characters <= MAX_RESULT_CHARACTERS && nestsWithin(value, MAX_DEPTH);
  return fits ? { [name]: value } : { [name]: null, omitted_characters: characters };
}

function demandFit(what: string, payload: JsonValue): void {
  if (!nestsWithin(payload, MAX_DEPTH)) {
    throw new SourceFailure("CHUNK_TOO_LARGE", `${what} is nested too deeply: a chunk may have 96 levels`);
  }
  const bytes = Buffer.byteLength(JSON.stringify(payload));
  if (bytes <= MAX_PAYLOAD_BYTES) return;
  throw new SourceFailure(
    "CHUNK_TOO_LARGE",
    `${what} has ${bytes} bytes, and a chunk at most 1 MiB (1,048,576 bytes): it can't be sent as one`,
  );
}

function nestsWithin(value: JsonValue, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => nestsWithin(inner, levels - 1));
}

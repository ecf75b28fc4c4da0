import { cutText, endStatusOf, WholeText, type ChunkDraft, type ChunkType } from "@sluice/core";
import { MAX_CHUNK_BYTES } from "@sluice/protocol";

type Chunk = ChunkType | ChunkDraft;

// Room for the chunk's other fields, and for a half character that the piece before has left.
const ENVELOPE_BYTES = 1_024;

/** Holds the text of a stream together: half a character that ends one Text chunk is the beginning of the next. */
export class TextFlow {
  #whole = new WholeText();

  /**
   * The chunks as they can be sent. Where an end follows half a character, U+FFFD stands before it, in a chunk of its own.
   * Nothing is remembered until `commit`: what is refused was never said.
   * @param mayHold false: half a character at their end is told at once, as U+FFFD
   * @returns `places`: of each given chunk among those to be sent
   */
  take(given: readonly Chunk[], mayHold: boolean): { chunks: Chunk[]; places: number[]; commit: () => void } {
    const whole = this.#whole.copy();
    const chunks: Chunk[] = [];
    const places = given.map((chunk) => {
      const type = chunkTypeOf(chunk);
      if (type !== null && endStatusOf(type) !== null) {
        const rest = whole.end();
        if (rest !== "") chunks.push({ type: "Text", content: rest });
      }
      return chunks.push(withText(chunk, (content) => whole.push(content))) - 1;
    });
    const rest = mayHold ? "" : whole.end();
    const last = chunks.findLastIndex((chunk) => contentOf(chunk) !== null);
    const text = chunks[last];
    if (rest !== "" && text !== undefined) chunks[last] = withText(text, (content) => content + rest);
    const commit = (): void => void (this.#whole = whole);
    return { chunks, places, commit };
  }

  /** @returns the chunk that stands for half a character which nothing completes; null where there is none */
  end(): ChunkType | null {
    const rest = this.#whole.end();
    return rest === "" ? null : { type: "Text", content: rest };
  }
}

/** A Text chunk above the limit of a chunk as several, cut between characters; any other as it is. */
export function cutTextChunk(chunk: Chunk): Chunk[] {
  const content = contentOf(chunk);
  if (content === null || content.length * 6 + ENVELOPE_BYTES <= MAX_CHUNK_BYTES) return [chunk];
  const draft = "chunk_type" in chunk ? chunk : { chunk_type: chunk };
  const bytes = Buffer.byteLength(JSON.stringify(draft));
  if (bytes <= MAX_CHUNK_BYTES) return [chunk];
  const around = bytes - Buffer.byteLength(JSON.stringify(content));
  const room = MAX_CHUNK_BYTES - ENVELOPE_BYTES - around;
  // What stands around the text is too large itself: the chunk is refused as it is.
  if (room < ENVELOPE_BYTES) return [chunk];
  const pieces = cutText(content, room);
  return pieces.map((piece, index) => {
    const cut = withText(chunk, () => piece);
    if (index === pieces.length - 1 || !("data" in cut)) return cut;
    const { data: _, ...withoutData } = cut as ChunkDraft;
    return withoutData;
  });
}

function chunkTypeOf(chunk: unknown): ChunkType | null {
  if (typeof chunk !== "object" || chunk === null) return null;
  const type: unknown = "chunk_type" in chunk ? chunk.chunk_type : chunk;
  return typeof type === "object" && type !== null && "type" in type ? (type as ChunkType) : null;
}

/** The text of a Text chunk; null for any other, and for what is no chunk, which is refused later. */
export function contentOf(chunk: unknown): string | null {
  const type = chunkTypeOf(chunk);
  return type?.type === "Text" && typeof type.content === "string" ? type.content : null;
}

function withText(chunk: Chunk, change: (content: string) => string): Chunk {
  const content = contentOf(chunk);
  if (content === null) return chunk;
  const changed = change(content);
  if (changed === content) return chunk;
  return "chunk_type" in chunk
    ? { ...chunk, chunk_type: { type: "Text", content: changed } }
    : { type: "Text", content: changed };
}

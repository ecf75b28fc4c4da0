import type { ChunkDraft, ChunkType, JsonValue } from "@sluice/core";
import { toJson } from "./json-value.ts";
import type { SourceFailure } from "./source-failure.ts";

// A chunk has at most 1 MiB of JSON, and a character up to four bytes.
const MAX_RESULT_CHARACTERS = 240 * 1024;
// Base64 has one byte a character, and its length divides by four: each part decodes by itself.
const FILE_PART_CHARACTERS = 512 * 1024;

/** What an answer cost. Members that the provider doesn't tell are left out. */
export interface TokenUsage {
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
  cached_input_tokens?: number;
  reasoning_tokens?: number;
}

/** Null where the provider didn't tell. */
export function usageOf(counts: {
  input: number | null | undefined;
  output: number | null | undefined;
  cached?: number | null | undefined;
  reasoning?: number | null | undefined;
}): TokenUsage | null {
  const { input, output, cached, reasoning } = counts;
  if (typeof input !== "number" || typeof output !== "number") return null;
  return {
    input_tokens: input,
    output_tokens: output,
    total_tokens: input + output,
    ...(typeof cached === "number" && { cached_input_tokens: cached }),
    ...(typeof reasoning === "number" && { reasoning_tokens: reasoning }),
  };
}

/**
 * The one place where what a model says becomes a chunk: README.md has the table. What a person reads is Text, so that
 * a reader who only joins Text chunks shows the answer; all else is an Event.
 */
export class AnswerChunks {
  model: string | null = null;
  /** In the provider's own words. */
  finishReason: string | null = null;
  usage: TokenUsage | null = null;
  readonly metadata: { source: string };

  /** @param source `metadata.source` of every chunk */
  constructor(source: string) {
    this.metadata = { source };
  }

  text(content: string): ChunkDraft {
    return this.#draft({ type: "Text", content });
  }

  /** Text, as it is said in place of the answer; `metadata.custom.part` tells it from one. */
  refusal(content: string): ChunkDraft {
    return {
      chunk_type: { type: "Text", content },
      metadata: { ...this.metadata, custom: { part: "refusal" } },
    };
  }

  reasoning(text: string): ChunkDraft {
    return this.event("reasoning_delta", { text });
  }

  json(data: JsonValue): ChunkDraft {
    return this.#draft({ type: "Json", data });
  }

  event(eventType: string, payload: JsonValue): ChunkDraft {
    return this.#draft({ type: "Event", event_type: eventType, payload });
  }

  progress(current: number, total: number | null, message: string): ChunkDraft {
    return this.#draft({ type: "Progress", current, total, message });
  }

  /** @param outcome.result without it the Event says how much was left out, where it would pass a chunk's limit of 1 MiB */
  toolResult(outcome: {
    toolCallId: string;
    name: string | null;
    result: unknown;
    isError?: boolean;
  }): ChunkDraft {
    const result = toJson(outcome.result);
    const characters = JSON.stringify(result).length;
    return this.event("tool_result", {
      tool_call_id: outcome.toolCallId,
      name: outcome.name,
      ...(characters > MAX_RESULT_CHARACTERS ? { result: null, omitted_characters: characters } : { result }),
      is_error: outcome.isError ?? false,
    });
  }

  /** A picture, say, in as many chunks as it needs. */
  *file(fileId: string, mediaType: string, base64: string): Generator<ChunkDraft> {
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

  /** Ends the answer. @param summary by default what it cost, if that is known */
  complete(summary = this.usage && `Tokens used: ${this.usage.total_tokens}`): ChunkDraft {
    const data = {
      model: this.model,
      finish_reason: this.finishReason,
      usage: this.usage && { ...this.usage },
    };
    return { ...this.#draft({ type: "Complete", summary }), data };
  }

  /** Ends the answer. */
  error({ message, code, data }: SourceFailure): ChunkDraft {
    return { ...this.#draft({ type: "Error", error: message, code }), data };
  }

  #draft(chunk_type: ChunkType): ChunkDraft {
    return { chunk_type, metadata: this.metadata };
  }
}

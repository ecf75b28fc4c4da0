import type { ChunkDraft, ChunkType, JsonValue } from "@sluice/core";
import type { SourceFailure } from "./source-failure.ts";

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

  event(eventType: string, payload: { [key: string]: JsonValue }): ChunkDraft {
    return this.#draft({ type: "Event", event_type: eventType, payload });
  }

  progress(current: number, total: number | null, message: string): ChunkDraft {
    return this.#draft({ type: "Progress", current, total, message });
  }

  toolResult(result: {
    tool_call_id: string;
    name: string | null;
    result: JsonValue;
    is_error?: boolean;
  }): ChunkDraft {
    return this.event("tool_result", { is_error: false, ...result });
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

import type { ChunkDraft, JsonValue } from "@sluice/core";

export interface AnswerOptions {
  /** Once it aborts, the answer ends with an Error chunk that has the reason's code. */
  signal: AbortSignal;
  /** Hears why an answer ends with an Error chunk, for the log: the chunk says only what readers may know. */
  onError?: (error: unknown) => void;
  /** Hears of each part of the answer that could not be read. */
  onUnknownPart?: (part: { name: string; original: JsonValue }) => void;
}

/** Something that answers a prompt piece by piece. */
export interface Model {
  readonly name: string;
  /**
   * Begins when it is iterated. Ends with exactly one Complete or Error chunk; doesn't throw. Breaking off the iteration
   * frees everything it holds.
   */
  answer(prompt: string, options: AnswerOptions): AsyncIterable<ChunkDraft>;
}

export interface TokenUsage {
  promptTokens: number;
  completionTokens: number;
}

export type ModelEvent =
  /** The next piece of the answer, never empty. */
  | { type: "text"; text: string }
  /** The answer is complete; nothing follows. What the model doesn't tell is null. */
  | { type: "end"; finishReason: string | null; usage: TokenUsage | null };

/** Something that answers a prompt piece by piece. */
export interface Model {
  /** Told to readers with each finished answer. */
  readonly name: string;
  /**
   * Begins when it is iterated. Ends with exactly one `end` event, or throws: ModelError where the model failed, the
   * signal's reason once it is aborted. Breaking off the iteration frees everything it holds.
   */
  answer(prompt: string, signal: AbortSignal): AsyncIterable<ModelEvent>;
}

/** What readers' programs can tell apart; the codes of the Error chunk that ends the stream. */
export type ModelErrorCode = "LLM_ERROR" | "LLM_RATE_LIMITED" | "LLM_TIMEOUT";

/** The model failed. Its message reaches the readers, so it holds nothing that they must not see. */
export class ModelError extends Error {
  override readonly name = "ModelError";
  readonly code: ModelErrorCode;

  /** @param cause what only the log may tell */
  constructor(code: ModelErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

import { recordOf } from "./json-value.ts";

/** Cost of an answer. Members that the provider doesn't tell are left out. */
export interface TokenUsage {
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
  cached_input_tokens?: number;
  reasoning_tokens?: number;
}

/** Null where the provider didn't tell. */
export function usageOf(counts: {
  input: unknown;
  output: unknown;
  cached?: unknown;
  reasoning?: unknown;
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

/** The usage of a chat completion, or of a Response. */
export function openAiUsage(usage: unknown): TokenUsage | null {
  const told = recordOf(usage);
  const input = recordOf(told["prompt_tokens_details"] ?? told["input_tokens_details"]);
  const output = recordOf(told["completion_tokens_details"] ?? told["output_tokens_details"]);
  return usageOf({
    input: told["prompt_tokens"] ?? told["input_tokens"],
    output: told["completion_tokens"] ?? told["output_tokens"],
    cached: input["cached_tokens"] ?? told["prompt_cache_hit_tokens"],
    reasoning: output["reasoning_tokens"],
  });
}

/** Adds up what several calls of models cost. */
export function sumOf(one: TokenUsage | null, other: TokenUsage): TokenUsage {
  if (one === null) return other;
  const told = (key: "cached_input_tokens" | "reasoning_tokens"): number | undefined =>
    one[key] === undefined ? other[key] : one[key] + (other[key] ?? 0);
  const [cached, reasoning] = [told("cached_input_tokens"), told("reasoning_tokens")];
  return {
    input_tokens: one.input_tokens + other.input_tokens,
    output_tokens: one.output_tokens + other.output_tokens,
    total_tokens: one.total_tokens + other.total_tokens,
    ...(cached !== undefined && { cached_input_tokens: cached }),
    ...(reasoning !== undefined && { reasoning_tokens: reasoning }),
  };
}

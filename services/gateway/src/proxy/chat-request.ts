import { StreamError } from "@sluice/core";
import type { ChatRequest } from "./proxied-answers.ts";

/** Bounds of what a request may ask of the model server. */
export interface ChatLimits {
  /** Most tokens of an answer that a request may name. */
  maxTokens: number;
  /** Fields that are handed on in addition to those below. */
  extraFields: readonly string[];
}

/**
 * Fields of OpenAI's chat completion, and of servers like it, that change what is answered and not what it costs, where
 * it is kept or whom the server asks: so no `service_tier`, `store`, `web_search_options`, `audio`, `prediction`.
 */
const FIELDS = new Set([
  "model",
  "messages",
  "frequency_penalty",
  "logit_bias",
  "logprobs",
  "max_completion_tokens",
  "max_tokens",
  "min_p",
  "n",
  "parallel_tool_calls",
  "presence_penalty",
  "prompt_cache_key",
  "reasoning_effort",
  "repetition_penalty",
  "response_format",
  "safety_identifier",
  "seed",
  "stop",
  "stream",
  "stream_options",
  "temperature",
  "tool_choice",
  "tools",
  "top_k",
  "top_logprobs",
  "top_p",
  "user",
  "verbosity",
]);

// What a model may be asked in one go is bounded by the body's bytes; this bounds what the gateway walks through.
const MAX_MESSAGES = 2_000;
const MAX_TOOLS = 256;

const TOKEN_FIELDS = ["max_tokens", "max_completion_tokens"];

/** @throws StreamError UNPROCESSABLE with `field`: a field that is not handed on, or more than is allowed of one */
export function assertChatRequest(chat: ChatRequest, { maxTokens, extraFields }: ChatLimits): void {
  const foreign = Object.keys(chat).find((field) => !FIELDS.has(field) && !extraFields.includes(field));
  if (foreign !== undefined) {
    throw unprocessable(
      foreign,
      "is not handed on to the model server: leave it out, or have the operator add it to PROXY_EXTRA_FIELDS",
    );
  }
  if (isGiven(chat["n"]) && chat["n"] !== 1)
    throw unprocessable("n", "must be 1: one stream holds one answer");
  for (const field of TOKEN_FIELDS) {
    const tokens = chat[field];
    if (!isGiven(tokens)) continue;
    if (!Number.isInteger(tokens) || Number(tokens) < 1 || Number(tokens) > maxTokens) {
      throw unprocessable(field, `must be a whole number from 1 to ${maxTokens}`);
    }
  }
  assertLength(chat, "messages", MAX_MESSAGES);
  assertLength(chat, "tools", MAX_TOOLS);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function assertLength(chat: ChatRequest, field: string, most: number): void {
  const list = chat[field];
  if (Array.isArray(list) && list.length > most)
    throw unprocessable(field, `may have at most ${most} entries`);
}

function unprocessable(field: string, reason: string): StreamError {
  const shown = field.slice(0, 100);
  return new StreamError("UNPROCESSABLE", `${shown}: ${reason}`, { details: { field: shown } });
}

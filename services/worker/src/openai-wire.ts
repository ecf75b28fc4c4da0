import { z } from "zod";
import { ModelError, type TokenUsage } from "./model.ts";

/** Read leniently: servers that call themselves compatible leave out and add a lot. */
const errorSchema = z.union([z.string(), z.object({ message: z.string() })]);

const partSchema = z.object({
  choices: z
    .array(
      z.object({
        delta: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }).nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
  usage: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullish(),
  error: errorSchema.nullish(),
});

export interface CompletionPart {
  /** Empty where the part only says something about the answer. */
  text: string;
  finishReason: string | null;
  usage: TokenUsage | null;
}

/**
 * Reads the `data` of one event.
 * @throws ModelError where the server reports an error in mid-stream, or what it sent is no completion
 */
export function readCompletionPart(data: string): CompletionPart {
  const parsed = partSchema.safeParse(parseJson(data));
  if (!parsed.success) {
    throw new ModelError(
      "LLM_ERROR",
      "the model's server sent something that is no chat completion",
      data.slice(0, 1_000),
    );
  }
  const { choices, usage, error } = parsed.data;
  if (error !== null && error !== undefined) {
    throw new ModelError("LLM_ERROR", `the model's server reported: ${messageOf(error)}`);
  }
  const choice = choices?.[0];
  return {
    text: choice?.delta?.content ?? choice?.delta?.refusal ?? "",
    finishReason: choice?.finish_reason ?? null,
    usage: usage ? { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens } : null,
  };
}

const errorBodySchema = z.object({ error: errorSchema });

/** The message in an error's body, or null where it holds none that is meant for people. */
export function readErrorMessage(body: string): string | null {
  const parsed = errorBodySchema.safeParse(parseJson(body));
  return parsed.success ? messageOf(parsed.data.error) : null;
}

function messageOf(error: z.output<typeof errorSchema>): string {
  return (typeof error === "string" ? error : error.message).slice(0, 1_000);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

import type { JsonValue } from "@sluice/core";
import { recordOf } from "./json-value.ts";

/** Codes of Error chunks by which readers' programs can tell apart how a model failed. */
export const MODEL_FAILURE_CODES = [
  "LLM_ERROR",
  "LLM_RATE_LIMITED",
  "LLM_OVERLOADED",
  "LLM_TIMEOUT",
] as const;
export type ModelFailureCode = (typeof MODEL_FAILURE_CODES)[number];

// A page of HTML from a proxy is no error message.
const MAX_MESSAGE_CHARACTERS = 1_000;

/** What readers may know of a failure: code and message become the Error chunk. */
export class SourceFailure extends Error {
  override readonly name = "SourceFailure";
  readonly code: string;
  /** The provider's own words for programs; the Error chunk's `data`. */
  readonly data: JsonValue;

  /** @param cause what only the log may tell */
  constructor(code: string, message: string, options: { cause?: unknown; data?: JsonValue } = {}) {
    super(
      message.slice(0, MAX_MESSAGE_CHARACTERS),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.data = options.data ?? null;
  }
}

/**
 * What readers may know of anything that a library throws. Its classes are not imported, so that none of the
 * libraries is needed: an error of OpenAI and Anthropic has `status` and `error`, one of the AI SDK `statusCode`.
 */
export function failureOf(error: unknown, what = "model"): SourceFailure {
  const { status, type, message } = factsOf(error);
  const data = status === null && type === null ? null : { status, type };
  const options = { cause: error, data };
  if (status === 401 || status === 403 || type === "authentication_error" || type === "permission_error") {
    // Servers quote the key, or part of it, and the readers are not to learn it.
    return new SourceFailure(
      "LLM_ERROR",
      `the model's server refused our credentials (${status ?? type})`,
      options,
    );
  }
  const code = codeOf(status, type, error);
  if (status !== null) {
    return new SourceFailure(
      code,
      `the model's server answered ${status}${message === null ? "" : `: ${message}`}`,
      options,
    );
  }
  if (message !== null) return new SourceFailure(code, `the model's server reported: ${message}`, options);
  if (code === "LLM_TIMEOUT")
    return new SourceFailure(code, "the model's server didn't answer in time", options);
  // Whatever it says was written for its developers.
  return new SourceFailure(
    code,
    isOfConnection(error) ? "the connection to the model's server failed" : `the ${what} failed`,
    options,
  );
}

/** `fetch` throws a TypeError, the official libraries an APIConnectionError. */
function isOfConnection(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof Error && /Connection/.test(error.constructor.name));
}

function codeOf(status: number | null, type: string | null, error: unknown): ModelFailureCode {
  const name = error instanceof Error ? error.name : "";
  const constructorName = error instanceof Error ? error.constructor.name : "";
  if (status === 429 || type === "rate_limit_error" || type === "rate_limit_exceeded")
    return "LLM_RATE_LIMITED";
  if (status === 529 || type === "overloaded_error") return "LLM_OVERLOADED";
  if (status === 408 || status === 504 || type === "timeout_error") return "LLM_TIMEOUT";
  return name === "TimeoutError" || /Timeout/.test(constructorName) ? "LLM_TIMEOUT" : "LLM_ERROR";
}

interface ProviderFacts {
  status: number | null;
  /** The provider's name for what went wrong. */
  type: string | null;
  /** Written for people by the provider; null: it sent none. */
  message: string | null;
}

function factsOf(error: unknown): ProviderFacts {
  // The AI SDK gives up with an error that holds the last one.
  const thrown = recordOf(recordOf(error)["lastError"] ?? error);
  const body = thrown["error"] ?? recordOf(thrown["data"])["error"] ?? null;
  // Anthropic wraps the error in an envelope that has a type as well.
  const inner = recordOf(recordOf(body)["error"] ?? body);
  const message = inner["message"] ?? body;
  const types = [inner["type"], inner["code"], thrown["type"], thrown["code"]];
  return {
    status: [thrown["status"], thrown["statusCode"]].find((value) => typeof value === "number") ?? null,
    type: types.find((value) => typeof value === "string") ?? null,
    message: typeof message === "string" && message !== "" ? message : null,
  };
}

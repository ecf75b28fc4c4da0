import type { JsonValue } from "@sluice/core";
import { codeOf, isOfCredentials } from "./failure-code.ts";
import { isText, recordOf, toJson } from "./json-value.ts";
import { reportOf, type ServerReport } from "./server-report.ts";

// Longer than any sentence for people.
const MAX_MESSAGE_CHARACTERS = 1_000;
// What a server says must not fill the log.
const MAX_LOGGED_CHARACTERS = 4_000;

/** Failure as readers may know it: code and message become the Error chunk. */
export class SourceFailure extends Error {
  override readonly name = "SourceFailure";
  readonly code: string;
  /** The provider's own words for programs; the Error chunk's `data`. */
  readonly data: JsonValue;
  /** All that the server said, in its own words, up to 4,000 characters: for the log alone. Null: it said nothing. */
  readonly serverSaid: string | null;
  /** Nothing was said at all: an answer that is whole already has not failed by it. */
  readonly isSilence: boolean;

  /**
   * @param options.cause what only the log may tell
   * @param options.said what the server said
   */
  constructor(
    code: string,
    message: string,
    options: { cause?: unknown; data?: JsonValue; said?: unknown; isSilence?: boolean } = {},
  ) {
    super(
      message.slice(0, MAX_MESSAGE_CHARACTERS),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.data = options.data ?? null;
    this.serverSaid = wordsOf(options.said);
    this.isSilence = options.isSilence ?? false;
  }
}

function wordsOf(said: unknown): string | null {
  if (said === undefined || said === null) return null;
  const words = typeof said === "string" ? said : JSON.stringify(toJson(said));
  return words.slice(0, MAX_LOGGED_CHARACTERS);
}

/** An answer that ends before all of it was said. */
export function brokenOff(): SourceFailure {
  return new SourceFailure("LLM_ERROR", "the model's server broke off in the middle of the answer");
}

/** An error that the model's server told, within its answer or in place of it. */
export function serverFailure(report: ServerReport, cause: unknown = report.said): SourceFailure {
  const { status, names, message } = report;
  const type = names[0] ?? null;
  const data = status === null && type === null ? null : { status, type };
  const options = { cause, data, said: report.said };
  if (isOfCredentials(report)) {
    // Servers quote the key, or part of it, and the readers are not to learn it.
    const which = status ?? type;
    return new SourceFailure("LLM_ERROR", `the model's server refused our credentials (${which})`, options);
  }
  const words = message === null ? null : forReaders(message);
  const code = codeOf(report);
  if (status !== null && report.isAnswer === true) {
    const told = words === null ? "" : `: ${words}`;
    return new SourceFailure(code, `the model's server answered ${status}${told}`, options);
  }
  return new SourceFailure(code, `the model's server reported: ${words ?? "an error"}`, options);
}

const SECRETS = [
  /\b(?:sk|pk|rk|gsk|xai|key|api|hf|nvapi|AIza)[-_][\w*.-]{6,}/gi,
  /\bAIza[\w-]{10,}/g,
  /\bBearer\s+\S+/gi,
  /\b(?:api[-_ ]?key|authorization|token)\b\s*[:=]\s*\S+/gi,
];

/** A server's sentence without what looks like a key, and without the trace of a program. */
function forReaders(message: string): string | null {
  const [sentence = ""] = message.split(/\n?Traceback \(most recent call last\)/);
  const safe = SECRETS.reduce((text, secret) => text.replaceAll(secret, "…"), sentence);
  return safe.trim() === "" || /^\s*</.test(safe) ? null : safe.trim();
}

/**
 * Describes for readers anything that a library throws. Its classes are not imported, so that none of the
 * libraries is needed: an error of OpenAI and Anthropic has `status` and `error`, one of the AI SDK `statusCode`.
 */
export function failureOf(error: unknown, what = "model"): SourceFailure {
  if (error instanceof SourceFailure) return error;
  // Not an Error: the AI SDK hands on what the provider sent.
  if (!(error instanceof Error)) return serverFailure(reportOf(error));
  const thrown = thrownReport(error);
  if (thrown.status !== null || thrown.message !== null) return serverFailure(thrown, error);
  const options = { cause: error, data: thrown.data };
  const code = codeOf(thrown);
  if (code === "LLM_TIMEOUT")
    return new SourceFailure(code, "the model's server didn't answer in time", options);
  // Whatever it says was written for its developers.
  const isLost = isOfConnection(error);
  const message = isLost ? "the connection to the model's server failed" : `the ${what} failed`;
  return new SourceFailure(code, message, options);
}

/** Extracts the server's report from an error that a library threw. */
function thrownReport(error: Error): ServerReport & { data: JsonValue } {
  // The AI SDK gives up with an error that holds the last one.
  const { lastError } = recordOf(error);
  const thrown = recordOf(lastError ?? error);
  const { status, statusCode, type, code, responseBody, data } = thrown;
  const body = thrown["error"] ?? recordOf(data)["error"] ?? responseBody;
  const { said, status: inner, names, message } = reportOf(body ?? null);
  const outer = [status, statusCode].find((value) => typeof value === "number") ?? null;
  const allNames = [...names, ...[type, code].filter(isText), ...classNames(error)];
  const facts = names[0] ?? [type, code].find(isText) ?? null;
  const statusOf = outer ?? inner;
  return {
    said: said ?? responseBody ?? null,
    status: statusOf,
    names: allNames,
    message,
    isAnswer: outer !== null,
    data: statusOf === null && facts === null ? null : { status: statusOf, type: facts },
  };
}

/** Collects class names of an error and of what caused it: official libraries name theirs all `Error`, `fetch` hides its own in `cause`. */
function classNames(error: unknown): string[] {
  const names: string[] = [];
  let one: unknown = error;
  for (let depth = 0; depth < 5 && one instanceof Error; depth++) {
    const { code } = recordOf(one);
    names.push(one.name, one.constructor.name, ...(isText(code) ? [code] : []));
    one = one.cause;
  }
  return names;
}

const OF_CONNECTION =
  /Connection|Socket|^ECONN|^EPIPE|^ENOTFOUND|^EAI_AGAIN|^EHOSTUNREACH|^ENETUNREACH|^UND_ERR_SOCKET/;

/** `fetch` throws a TypeError, as any mistake in a program does: only its words and its cause tell them apart. */
function isOfConnection(error: Error): boolean {
  if (classNames(error).some((name) => OF_CONNECTION.test(name))) return true;
  return (
    error instanceof TypeError &&
    /^(fetch failed|terminated|network error|Failed to fetch)/i.test(error.message)
  );
}

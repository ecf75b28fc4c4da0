import type { FailureFacts } from "./failure-code.ts";
import { firstText, isText, parseJson, recordOf, saysSomething } from "./json-value.ts";

/** An error as a model's server told it. */
export interface ServerReport extends FailureFacts {
  /** Everything that the server said, for the log. */
  said: unknown;
  /** The status is that of the HTTP answer; else it stands in the body. */
  isAnswer?: boolean;
}

/**
 * Rule 2: reads what a server sent as an error, in whatever shape: `{"error":"text"}`, `{"error":{…}}`,
 * `{"object":"error",…}`, `{"type":"error",…}`, `{"detail":…}`, `{"message":…}`, lists of them.
 * @param value what stands in the place of an answer, or of a piece of one
 * @returns null where it is no error
 */
export function reportIn(value: unknown): ServerReport | null {
  if (Array.isArray(value)) {
    return value.map(reportIn).find((report) => report !== null) ?? null;
  }
  const part = recordOf(value);
  if (isError(part["error"])) return reportOf(part);
  // Groq's place for what it says beside the answer.
  const { error: besides } = recordOf(part["x_groq"]);
  if (isError(besides)) return reportOf({ error: besides });
  if (part["object"] === "error" || part["type"] === "error") return reportOf(part);
  const { status_code: minimaxStatus } = recordOf(part["base_resp"]);
  if (typeof minimaxStatus === "number" && minimaxStatus !== 0) return reportOf(part);
  // A piece of an answer has a message, too, in its choices or as its own member.
  if ("choices" in part || CONTENT_MEMBERS.some((member) => member in part)) return null;
  const isSaid = ["detail", "errors", "error_message", "error_msg", "msg"].some((member) =>
    saysSomething(part[member]),
  );
  return isSaid || isText(part["message"]) ? reportOf(part) : null;
}

/** Members by which the libraries' own events are told from bare errors. */
const CONTENT_MEMBERS = ["delta", "content", "content_block", "item", "response", "usage", "chunk"];

/** `error: {}`, or one that says that there is none, is no error. */
function isError(error: unknown): boolean {
  if (typeof error !== "object") return saysSomething(error);
  const { code, message } = recordOf(error);
  if (!saysSomething(error)) return false;
  return isText(message) || !(code === 0 || code === 200) || Object.keys(recordOf(error)).length > 2;
}

/** Reads the facts out of anything that is known to be an error: a body, an event, what a library has thrown. */
export function reportOf(said: unknown): ServerReport {
  const value = typeof said === "string" ? (parseJson(said) ?? said) : said;
  const layers = layersOf(Array.isArray(value) ? value[0] : value);
  const names: string[] = [];
  let status: number | null = null;
  for (const layer of layers) {
    status ??= statusIn(layer);
    for (const member of NAME_MEMBERS) {
      const name = layer[member];
      if (isText(name) && !/^(error|\d+)$/i.test(name)) names.push(name);
    }
  }
  return { said, status, names, message: messageIn(value, layers) };
}

const NAME_MEMBERS = ["type", "code", "error_type", "status", "reason", "error_code", "__type"];
const STATUS_MEMBERS = ["status", "statusCode", "status_code", "http_status", "code", "error_code"];

/** An error and those within it, the innermost first: Anthropic and OpenRouter wrap theirs, FastAPI's stand in `detail`. */
function layersOf(value: unknown): Record<string, unknown>[] {
  const layers: Record<string, unknown>[] = [];
  let layer: unknown = value;
  for (let depth = 0; depth < 5 && typeof layer === "object" && layer !== null; depth++) {
    const record = recordOf(layer);
    layers.unshift(record);
    const inner = INNER_MEMBERS.map((member) => record[member]).find(
      (member) => typeof member === "object" && saysSomething(member),
    );
    layer = Array.isArray(inner) ? inner[0] : inner;
  }
  return layers;
}

const INNER_MEMBERS = ["error", "detail", "errors", "message", "base_resp", "body"];

function statusIn(layer: Record<string, unknown>): number | null {
  for (const member of STATUS_MEMBERS) {
    const status = Number(layer[member] ?? Number.NaN);
    if (Number.isInteger(status) && status >= 400 && status <= 599) return status;
  }
  return null;
}

/** The sentence that the server wrote for people; null where it wrote none. */
function messageIn(value: unknown, layers: readonly Record<string, unknown>[]): string | null {
  // A page of a proxy is no message.
  if (typeof value === "string") return /^\s*</.test(value) ? null : firstText(value.trim());
  for (const layer of layers) {
    const { message, msg, detail, error, error_message, error_msg, status_msg, errors } = layer;
    const found = firstText(message, msg, detail, error, error_message, error_msg, status_msg, errors);
    if (found !== null) return found;
    if (Array.isArray(errors) && isText(errors[0])) return errors[0];
  }
  return null;
}

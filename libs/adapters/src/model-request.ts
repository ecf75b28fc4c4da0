import { Agent } from "undici";
import { reportOf } from "./server-report.ts";
import { serverFailure, type SourceFailure } from "./source-failure.ts";

export interface ModelServerAddress {
  /** Up to and with the version, e.g. `https://api.openai.com/v1`. */
  baseUrl: string;
  /** Null: a server that asks for none, such as a local one. */
  apiKey: string | null;
}

const MAX_ERROR_BYTES = 16 * 1024;

// `fetch` itself gives up after 300 s without headers, or between two pieces of the body, and after 10 s without a
// connection: whoever asks has a limit of its own.
const withoutLimits = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 0 } });

/** Asks for a chat completion. @throws SourceFailure where the server answers with an error */
export async function askModel(
  { baseUrl, apiKey }: ModelServerAddress,
  request: object,
  signal: AbortSignal,
): Promise<Response> {
  const init = {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "text/event-stream",
      ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify(request),
    signal,
    // A server that sends requests elsewhere would have them, and answer readers, from wherever it points to.
    redirect: "error" as const,
    dispatcher: withoutLimits,
  };
  // The types of Node's own undici are of another version; what it calls is the same.
  const url = `${baseUrl.replace(/\/+$/, "")}/chat/completions`;
  const response = await fetch(url, init as unknown as RequestInit);
  if (!response.ok) throw await refusal(response, apiKey);
  return response;
}

/** Describes an answer that isn't 200. */
async function refusal(response: Response, apiKey: string | null): Promise<SourceFailure> {
  const text = await readAtMost(response, MAX_ERROR_BYTES);
  const { names, message } = reportOf(text);
  const safe = apiKey === null || message === null ? message : message.replaceAll(apiKey, "…");
  return serverFailure({ said: text, names, message: safe, status: response.status, isAnswer: true }, text);
}

/** The body's text. Breaking off frees the connection. */
export async function readAtMost(response: Response, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    parts.push(part);
    bytes += part.byteLength;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(parts).subarray(0, maxBytes).toString("utf8");
}

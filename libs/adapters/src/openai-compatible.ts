import { createParser } from "eventsource-parser";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { Choices } from "./choices.ts";
import { SourceFailure } from "./source-failure.ts";

export interface OpenAiServer {
  /** Up to and with the version, e.g. `https://api.openai.com/v1`. */
  baseUrl: string;
  /** Null: a server that asks for none, such as a local one. */
  apiKey: string | null;
  /** Longest silence, before the answer and within it, ms. Comments that keep the connection alive break it. */
  idleTimeoutMs: number;
}

// Without this bound a server that never ends a line fills the heap.
const MAX_EVENT_CHARACTERS = 1024 * 1024;
const MAX_ERROR_BYTES = 16 * 1024;

/** `controller` hangs up, also while a part is waited for. */
type Parts = AsyncGenerator<ChatCompletionChunk, void, undefined> & { readonly controller: AbortController };

/**
 * Asks any server that speaks OpenAI's streaming chat completions, for `fromOpenAiChat`. It bears with what such servers do
 * wrong, and with what the official library doesn't: silence in mid-answer, events without end, pages instead of a
 * stream. One request, when it is first read; nothing is tried twice. Breaking off hangs up.
 * @param request the body; `stream` and `stream_options` are set here
 * @throws SourceFailure with a message for readers; the signal's reason
 */
export function requestOpenAiChat(
  server: OpenAiServer,
  request: Readonly<Record<string, unknown>>,
  signal?: AbortSignal,
): Parts {
  const controller = new AbortController();
  const signals = signal === undefined ? [controller.signal] : [signal, controller.signal];
  return Object.assign(requestParts(server, request, AbortSignal.any(signals)), { controller });
}

async function* requestParts(
  server: OpenAiServer,
  request: object,
  signal: AbortSignal,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const silence = new SilenceTimer(server.idleTimeoutMs);
  try {
    const either = AbortSignal.any([signal, silence.signal]);
    yield* completionParts(await ask(server, request, either), silence);
  } catch (error) {
    if (error instanceof SourceFailure) throw error;
    signal.throwIfAborted();
    silence.signal.throwIfAborted();
    throw error;
  } finally {
    silence.close();
  }
}

async function ask(server: OpenAiServer, request: object, signal: AbortSignal): Promise<Response> {
  const response = await fetch(`${server.baseUrl.replace(/\/+$/, "")}/chat/completions`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "text/event-stream",
      ...(server.apiKey === null ? {} : { authorization: `Bearer ${server.apiKey}` }),
    },
    body: JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok) throw await refusal(response);
  const contentType = response.headers.get("content-type") ?? "nothing";
  if (!contentType.startsWith("text/event-stream")) {
    await response.body?.cancel();
    throw new SourceFailure(
      "LLM_ERROR",
      `the model's server answered with ${contentType} instead of a stream`,
    );
  }
  return response;
}

async function* completionParts(
  response: Response,
  silence: SilenceTimer,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const choices = new Choices();
  for await (const data of eventData(response, silence)) {
    if (data !== "[DONE]") {
      const part = readPart(data);
      for (const choice of part.choices ?? []) choices.take(choice);
      yield part;
      continue;
    }
    // Says as well that the answer is whole; some servers give no other reason.
    const ends = choices.unfinished.map((index) => ({ index, delta: {}, finish_reason: "stop" }));
    if (ends.length > 0) yield { choices: ends } as never;
    return;
  }
}

/** @throws SourceFailure where the server reports an error in mid-stream, or what it sent is no completion */
function readPart(data: string): ChatCompletionChunk {
  const part = parseObject(data);
  const error = part?.["error"] ?? null;
  if (error !== null) {
    throw new SourceFailure("LLM_ERROR", `the model's server reported: ${messageOf(error) ?? "an error"}`);
  }
  const choices = part?.["choices"] ?? [];
  if (part === null || !Array.isArray(choices)) {
    throw new SourceFailure("LLM_ERROR", "the model's server sent something that is no chat completion", {
      cause: data.slice(0, 1_000),
    });
  }
  return part as unknown as ChatCompletionChunk;
}

/** The `data` of each server-sent event, as the bytes come in. Breaking off cancels the request. */
async function* eventData(
  response: Response,
  silence: SilenceTimer,
): AsyncGenerator<string, void, undefined> {
  const ready: string[] = [];
  let isTooLarge = false;
  const parser = createParser({
    onEvent: ({ data }) => ready.push(data),
    // Unknown fields are to be ignored, says the standard; only the exceeded bound ends it.
    onError: (error) => (isTooLarge ||= error.type === "max-buffer-size-exceeded"),
    maxBufferSize: MAX_EVENT_CHARACTERS,
  });
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    if (isTooLarge)
      throw new SourceFailure("LLM_ERROR", "the model's server sent an event that is too large");
    // A reader that takes its time is not the server's silence.
    silence.pause();
    yield* ready.splice(0);
    silence.restart();
  }
}

/** What to tell of an answer that isn't 200. */
async function refusal(response: Response): Promise<SourceFailure> {
  const upstream = messageOf(parseObject(await readAtMost(response, MAX_ERROR_BYTES))?.["error"]);
  const { status } = response;
  const data = { status, type: null };
  if (status === 401 || status === 403) {
    // Servers quote the key, or part of it, and the readers are not to learn it.
    const message = `the model's server refused our credentials (${status})`;
    return new SourceFailure("LLM_ERROR", message, { cause: upstream, data });
  }
  const code = status === 429 ? "LLM_RATE_LIMITED" : "LLM_ERROR";
  const message = `the model's server answered ${status}${upstream === null ? "" : `: ${upstream}`}`;
  return new SourceFailure(code, message, { data });
}

async function readAtMost(response: Response, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    parts.push(part);
    bytes += part.byteLength;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(parts).subarray(0, maxBytes).toString("utf8");
}

/** Null where it holds none that is meant for people. */
function messageOf(error: unknown): string | null {
  const message = typeof error === "string" ? error : (error as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : null;
}

function parseObject(json: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** Aborts its signal once the server has said nothing for too long. Runs from the start. */
class SilenceTimer {
  readonly #controller = new AbortController();
  readonly #timeoutMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.restart();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const seconds = this.#timeoutMs / 1000;
      this.#controller.abort(
        new SourceFailure("LLM_TIMEOUT", `the model's server said nothing for ${seconds} s`),
      );
    }, this.#timeoutMs);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}

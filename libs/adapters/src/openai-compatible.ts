import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { readEvents, type ServerEvent } from "./event-stream.ts";
import { parseJson, recordOf, saysSomething } from "./json-value.ts";
import { askModel, readAtMost, type ModelServerAddress } from "./model-request.ts";
import { OptionalFields } from "./optional-fields.ts";
import { reportIn, reportOf } from "./server-report.ts";
import { SilenceTimer } from "./silence-timer.ts";
import { serverFailure, SourceFailure } from "./source-failure.ts";

export { fieldsIn } from "./optional-fields.ts";

export interface OpenAiServer extends ModelServerAddress {
  /**
   * Longest silence, before the answer and within it, from 1 ms to 24.8 days. Comments that keep the connection alive break it.
   * No limit of `fetch` ends an answer earlier.
   */
  idleTimeoutMs: number;
  /** Fields of the request that this server is never sent, such as `stream_options`; by default none. */
  omittedFields?: readonly string[];
  /**
   * Fields that are left out, and the server asked again, where it refuses them; by default those that change nothing of
   * what is answered.
   */
  optionalFields?: readonly string[];
}

// A whole answer that doesn't stream, pictures included.
const MAX_JSON_BYTES = 16 * 1024 * 1024;

/** `controller` hangs up, also while a part is waited for. */
type Parts = AsyncGenerator<ChatCompletionChunk, void, undefined> & { readonly controller: AbortController };

/**
 * Asks any server that speaks OpenAI's streaming chat completions, for `fromOpenAiChat`. It bears with what such servers do
 * wrong, and with what the official library doesn't: silence in mid-answer, events without end, errors in any shape, a
 * whole answer instead of a stream. It asks when it is first read. Only a request whose optional fields the server
 * refuses is made again, without them; the server is then never sent them again in the life of this process.
 * Breaking off hangs up.
 * @param request the body; `stream` is set here, and `stream_options` where the request has none
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
  request: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): AsyncGenerator<ChatCompletionChunk, void, undefined> {
  const fields = new OptionalFields(server);
  for (;;) {
    const body = fields.without({ stream_options: { include_usage: true }, ...request, stream: true });
    let isBegun = false;
    try {
      for await (const part of answerParts(server, body, signal)) {
        isBegun ||= saysSomething(recordOf(part)["choices"]);
        yield part as ChatCompletionChunk;
      }
      return;
    } catch (error) {
      if (isBegun || !fields.areRefused(error, body)) throw error;
    }
  }
}

async function* answerParts(
  server: OpenAiServer,
  request: object,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, undefined> {
  const silence = new SilenceTimer(server.idleTimeoutMs);
  try {
    const response = await askModel(server, request, AbortSignal.any([signal, silence.signal]));
    const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
    if (type.endsWith("json")) yield await wholeAnswer(response, type);
    else if (/html|xml/.test(type)) throw await noStream(response, type);
    else yield* streamedParts(response, type, silence);
  } catch (error) {
    if (error instanceof SourceFailure) throw error;
    signal.throwIfAborted();
    silence.signal.throwIfAborted();
    throw error;
  } finally {
    silence.pause();
  }
}

async function* streamedParts(
  response: Response,
  type: string,
  silence: SilenceTimer,
): AsyncGenerator<unknown, void, undefined> {
  let isStream = type === "text/event-stream";
  for await (const event of readEvents(response.body ?? [], silence)) {
    isStream = true;
    if (isDone(event)) return;
    const part = readPart(event);
    if (part !== null) yield part;
  }
  if (!isStream) throw await noStream(response, type);
}

/** Says that nothing else comes, and nothing more. */
function isDone({ data }: ServerEvent): boolean {
  return /^\s*"?\[DONE\]"?\s*$/.test(data);
}

const KEEP_ALIVE = /^\s*(null|ping|pong|keep-?alive|heartbeat|""|\{\}|\[\])?\s*$/i;

/**
 * @returns null for an event that is no content: a keep-alive, or the beginning of one that was cut
 * @throws SourceFailure where the server reports an error, or what it sent is no completion
 */
function readPart({ name, data, isCut }: ServerEvent): unknown {
  const value = parseJson(data);
  if (/error|exception/i.test(name)) {
    const report = reportIn(value) ?? reportOf(saysSomething(value) ? value : data);
    throw serverFailure({ ...report, said: data });
  }
  if (/^(ping|keep-?alive|heartbeat)$/i.test(name) || KEEP_ALIVE.test(data)) return null;
  const report = reportIn(value);
  if (report !== null) throw serverFailure({ ...report, said: data });
  if (typeof value === "object") return value;
  if (isCut) return null;
  const message = "the model's server sent something that is no chat completion";
  throw new SourceFailure("LLM_ERROR", message, { cause: data.slice(0, 1_000), said: data });
}

/** Servers that don't stream answer with the completion itself. */
async function wholeAnswer(response: Response, type: string): Promise<unknown> {
  const text = await readAtMost(response, MAX_JSON_BYTES);
  const value = parseJson(text);
  const report = reportIn(value);
  if (report !== null) throw serverFailure({ ...report, said: text });
  if (saysSomething(recordOf(value)["choices"])) return value;
  throw instead(type, text);
}

async function noStream(response: Response, type: string): Promise<SourceFailure> {
  return instead(type, response.bodyUsed ? "" : await readAtMost(response, 16 * 1024));
}

function instead(type: string, text: string): SourceFailure {
  const what = type === "" ? "nothing" : type;
  return new SourceFailure("LLM_ERROR", `the model's server answered with ${what} instead of a stream`, {
    said: text,
  });
}

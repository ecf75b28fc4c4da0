import { createParser } from "eventsource-parser";
import { ModelError, type Model, type ModelEvent, type TokenUsage } from "./model.ts";
import { readCompletionPart, readErrorMessage } from "./openai-wire.ts";

export interface OpenAiSettings {
  /** Up to and with the version, e.g. `https://api.openai.com/v1`. */
  baseUrl: string;
  /** Null: a server that asks for none, such as a local one. */
  apiKey: string | null;
  model: string;
  /** Longest silence, before the answer and within it, ms. Comments that keep the connection alive break it. */
  idleTimeoutMs: number;
}

// Without this bound a server that never ends a line fills the heap.
const MAX_EVENT_CHARACTERS = 1024 * 1024;
// A page of HTML from a proxy is no error message.
const MAX_ERROR_BYTES = 16 * 1024;

/** Any server that speaks OpenAI's streaming chat completions. One request an answer; nothing is tried twice. */
export class OpenAiModel implements Model {
  readonly name: string;
  readonly #settings: OpenAiSettings;

  constructor(settings: OpenAiSettings) {
    this.name = settings.model;
    this.#settings = settings;
  }

  async *answer(prompt: string, signal: AbortSignal): AsyncGenerator<ModelEvent, void, undefined> {
    const silence = new SilenceTimer(this.#settings.idleTimeoutMs);
    try {
      const request = AbortSignal.any([signal, silence.signal]);
      yield* this.#readAnswer(await this.#ask(prompt, request), silence);
    } catch (error) {
      if (error instanceof ModelError) throw error;
      signal.throwIfAborted();
      silence.signal.throwIfAborted();
      throw new ModelError("LLM_ERROR", "the connection to the model's server failed", error);
    } finally {
      silence.close();
    }
  }

  async #ask(prompt: string, signal: AbortSignal): Promise<Response> {
    const { baseUrl, apiKey, model } = this.#settings;
    const response = await fetch(`${baseUrl.replace(/\/+$/, "")}/chat/completions`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "text/event-stream",
        ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({
        model,
        messages: [{ role: "user", content: prompt }],
        stream: true,
        stream_options: { include_usage: true },
      }),
      signal,
    });
    if (!response.ok) throw await refusal(response);
    const contentType = response.headers.get("content-type") ?? "nothing";
    if (!contentType.startsWith("text/event-stream")) {
      await response.body?.cancel();
      throw new ModelError(
        "LLM_ERROR",
        `the model's server answered with ${contentType} instead of a stream`,
      );
    }
    return response;
  }

  async *#readAnswer(response: Response, silence: SilenceTimer): AsyncGenerator<ModelEvent, void, undefined> {
    let finishReason: string | null = null;
    let usage: TokenUsage | null = null;
    let isDone = false;
    try {
      for await (const data of eventData(response, silence)) {
        isDone = data === "[DONE]";
        if (isDone) break;
        const part = readCompletionPart(data);
        if (part.text !== "") yield { type: "text", text: part.text };
        finishReason = part.finishReason ?? finishReason;
        usage = part.usage ?? usage;
      }
    } catch (error) {
      // The answer is whole once its finish reason is there: what can't be read any more is its bill at most.
      if (finishReason === null || error instanceof ModelError) throw error;
    }
    if (!isDone && finishReason === null) {
      throw new ModelError("LLM_ERROR", "the model's server broke off in the middle of the answer");
    }
    yield { type: "end", finishReason, usage };
  }
}

/** The `data` of each server-sent event, as the bytes come in. Breaking off cancels the request. */
async function* eventData(
  response: Response,
  silence: SilenceTimer,
): AsyncGenerator<string, void, undefined> {
  const ready: string[] = [];
  let failure: Error | undefined;
  const parser = createParser({
    onEvent: ({ data }) => ready.push(data),
    onError: (error) => {
      // Unknown fields are to be ignored, says the standard; only the exceeded bound ends it.
      if (error.type === "max-buffer-size-exceeded") failure = error;
    },
    maxBufferSize: MAX_EVENT_CHARACTERS,
  });
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    if (failure !== undefined)
      throw new ModelError("LLM_ERROR", "the model's server sent an event that is too large");
    // A reader that takes its time is not the server's silence.
    silence.pause();
    yield* ready.splice(0);
    silence.restart();
  }
}

/** What to tell of an answer that isn't 200. */
async function refusal(response: Response): Promise<ModelError> {
  const upstream = readErrorMessage(await readAtMost(response, MAX_ERROR_BYTES));
  const { status } = response;
  if (status === 401 || status === 403) {
    // Servers quote the key, or part of it, and the readers are not to learn it.
    return new ModelError("LLM_ERROR", `the model's server refused our credentials (${status})`, upstream);
  }
  const code = status === 429 ? "LLM_RATE_LIMITED" : "LLM_ERROR";
  return new ModelError(
    code,
    `the model's server answered ${status}${upstream === null ? "" : `: ${upstream}`}`,
  );
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
        new ModelError("LLM_TIMEOUT", `the model's server said nothing for ${seconds} s`),
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

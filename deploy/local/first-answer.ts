import { setTimeout as delay } from "node:timers/promises";
import { createParser } from "eventsource-parser";

// The first token of a remote model can take its time; silence beyond this means that the path is broken.
const SILENCE_TIMEOUT_MS = 30_000;
const RECONNECT_DELAY_MS = 250;

export interface FirstAnswerOptions {
  readonly gateway: string;
  readonly edge: string;
  readonly prompt: string;
  /** Takes the text as it arrives. */
  readonly write: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface FirstAnswer {
  readonly streamId: string;
  readonly chunks: number;
  readonly milliseconds: number;
}

/**
 * Sends a prompt through the gateway and follows the answer at the edge, over the whole path of a chunk.
 * @throws Error when the answer ends in an error, or nothing arrives for 30 s
 */
export async function streamFirstAnswer(options: FirstAnswerOptions): Promise<FirstAnswer> {
  const startedAt = Date.now();
  const streamId = await sendPrompt(options);
  const reader = new AnswerReader(options.write);
  let heardAt = Date.now();
  while (!reader.complete) {
    const silence = SILENCE_TIMEOUT_MS - (Date.now() - heardAt);
    if (silence <= 0) throw new Error(`no chunk of stream ${streamId} for 30 s`);
    try {
      for await (const text of follow(`${options.edge}/streams/${streamId}/events`, reader, options)) {
        heardAt = Date.now();
        reader.take(text);
        if (reader.complete) break;
      }
    } catch (error) {
      options.signal.throwIfAborted();
      if (reader.failure !== undefined || error instanceof RefusedError) throw error;
      // A connection that broke is what resuming is for: the next one goes on after the last chunk.
    }
    if (!reader.complete) await delay(RECONNECT_DELAY_MS, undefined, { signal: options.signal });
  }
  return { streamId, chunks: reader.chunks, milliseconds: Date.now() - startedAt };
}

class RefusedError extends Error {}

async function sendPrompt({ gateway, prompt, signal }: FirstAnswerOptions): Promise<string> {
  const response = await fetch(`${gateway}/prompts`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(SILENCE_TIMEOUT_MS)]),
  });
  const body = await response.text();
  if (response.status !== 201) throw new Error(`POST /prompts gave ${response.status}: ${body}`);
  const { stream_id: streamId } = JSON.parse(body) as { stream_id?: unknown };
  if (typeof streamId !== "string") throw new Error(`POST /prompts gave no stream_id: ${body}`);
  return streamId;
}

async function* follow(
  url: string,
  reader: AnswerReader,
  { signal }: FirstAnswerOptions,
): AsyncGenerator<string> {
  const silent = new AbortController();
  const timer = setTimeout(() => silent.abort(), SILENCE_TIMEOUT_MS);
  try {
    const response = await fetch(url, {
      headers: {
        accept: "text/event-stream",
        ...(reader.lastEventId === "" ? {} : { "last-event-id": reader.lastEventId }),
      },
      signal: AbortSignal.any([signal, silent.signal]),
    });
    if (response.status >= 400 && response.status < 500 && response.status !== 429) {
      throw new RefusedError(`GET ${url} gave ${response.status}: ${await response.text()}`);
    }
    if (!response.ok || response.body === null) return;
    const decoder = new TextDecoder();
    for await (const bytes of response.body) {
      timer.refresh();
      yield decoder.decode(bytes, { stream: true });
    }
  } finally {
    clearTimeout(timer);
  }
}

interface AnswerChunk {
  readonly chunk_type?: { readonly type?: string; readonly content?: string; readonly error?: string };
}

/** Takes the bytes of one answer, over as many connections as it needs. */
class AnswerReader {
  chunks = 0;
  complete = false;
  failure: string | undefined;
  lastEventId = "";
  readonly #parser;

  constructor(write: (text: string) => void) {
    this.#parser = createParser({
      onEvent: (event) => {
        if (event.id !== undefined) this.lastEventId = event.id;
        if (this.complete || event.data === "") return;
        const type = (JSON.parse(event.data) as AnswerChunk).chunk_type;
        if (event.event === "text") {
          this.chunks++;
          write(type?.content ?? "");
        } else if (event.event === "complete") {
          this.complete = true;
        } else if (event.event === "error") {
          this.failure = type?.error ?? event.data;
        }
      },
    });
  }

  take(text: string): void {
    this.#parser.feed(text);
    if (this.failure !== undefined) throw new Error(`the answer ended in an error: ${this.failure}`);
  }
}

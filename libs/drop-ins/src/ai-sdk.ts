import type { Client } from "@sluice/client";
import {
  DefaultChatTransport,
  type ChatTransport,
  type HttpChatTransportInitOptions,
  type UIMessage,
  type UIMessageChunk,
} from "ai";
import { followChunks, type ParseEvents } from "./message-chunks.ts";

export interface SluiceChatTransportOptions<
  Message extends UIMessage,
> extends HttpChatTransportInitOptions<Message> {
  /** Reads the answers, and has them stopped. */
  client: Client;
}

type SendOptions<Message extends UIMessage> = Parameters<ChatTransport<Message>["sendMessages"]>[0];
type ReconnectOptions = Parameters<ChatTransport<UIMessage>["reconnectToStream"]>[0];

/**
 * Transport for `useChat` of the AI SDK. The application's routes are asked as by its DefaultChatTransport, but answer with
 * `{"stream_id": "…"}` (or 204: nothing to resume) instead of the answer itself, which is read from Sluice: so a lost connection
 * doesn't show, and a page that comes back resumes. `stop()` cancels the answer where it is made, also before its first
 * word; leaving the page, or resuming elsewhere, doesn't.
 */
export class SluiceChatTransport<Message extends UIMessage> extends DefaultChatTransport<Message> {
  readonly #client: Client;
  /** So each part is validated as it would be without us. */
  readonly #parse: ParseEvents = (body) => super.processResponseStream(body);
  /** Cancels by chat, for those whose resumed answer was aborted just now: one resumed anew in the same turn takes its cancel back. */
  readonly #stops = new Map<string, () => void>();

  constructor({ client, ...options }: SluiceChatTransportOptions<Message>) {
    super(options);
    // The options of the transport that this one replaces don't have it.
    if (typeof (client as Client | undefined)?.stream !== "function")
      throw new Error("SluiceChatTransport needs a client: createClient({ edgeUrl }) of @sluice/client");
    this.#client = client;
  }

  override async sendMessages(options: SendOptions<Message>): Promise<ReadableStream<UIMessageChunk>> {
    const { abortSignal } = options;
    // The request isn't aborted: it may have begun an answer, whose id would then be lost, and it couldn't be stopped.
    const asked = super.sendMessages({ ...options, abortSignal: undefined }).then(readStreamId);
    abortSignal?.addEventListener("abort", () => this.#cancel(asked), { once: true });
    return followChunks(this.#client, await unlessAborted(asked, abortSignal), abortSignal, this.#parse);
  }

  override async reconnectToStream(
    options: ReconnectOptions,
  ): Promise<ReadableStream<UIMessageChunk> | null> {
    const { abortSignal, chatId, ...request } = options;
    // The AI SDK aborts an answer that it resumes as well in order to resume it anew, which it does without a pause.
    this.#stops.delete(chatId);
    const asked = super.reconnectToStream({ chatId, ...request }).then((body) => body && readStreamId(body));
    const stop = (): void => {
      if (this.#stops.get(chatId) !== stop) return;
      this.#stops.delete(chatId);
      this.#cancel(asked);
    };
    const abort = (): void => {
      this.#stops.set(chatId, stop);
      setTimeout(stop);
    };
    abortSignal?.addEventListener("abort", abort, { once: true });
    const streamId = await unlessAborted(asked, abortSignal);
    return streamId === null ? null : followChunks(this.#client, streamId, abortSignal, this.#parse);
  }

  /** Cancels the stream. A stream that can't be cancelled ends by itself. */
  #cancel(asked: Promise<string | null>): void {
    asked.then((streamId) => streamId && this.#client.cancel(streamId)).catch(() => undefined);
  }

  /** The body isn't the answer yet: it holds the id of its stream. */
  protected override processResponseStream(body: ReadableStream<Uint8Array>): ReadableStream<UIMessageChunk> {
    return body as never;
  }
}

async function readStreamId(body: ReadableStream<unknown>): Promise<string> {
  const answer = (await new Response(body as ReadableStream<Uint8Array>).json()) as { stream_id?: unknown };
  if (typeof answer.stream_id !== "string")
    throw new Error('the chat route must answer with {"stream_id": "…"}');
  return answer.stream_id;
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

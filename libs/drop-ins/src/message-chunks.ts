import type { Client } from "@sluice/client";
import { JsonJoiner, type ChunkType } from "@sluice/core";
import type { UIMessageChunk } from "ai";
import { readGapless } from "./gapless.ts";

// The route answers once the stream is in the log; an edge may hear of it a moment later.
const WAIT_SECONDS = 30;

/** Reads a body of server-sent events as the AI SDK does, and validates each message chunk. */
export type ParseEvents = (body: ReadableStream<Uint8Array>) => ReadableStream<UIMessageChunk>;

/**
 * The message chunks that a stream carries as Json, from its beginning. An Error chunk becomes one of the AI SDK's, or `abort`
 * where the answer was cancelled. Ends with the signal's reason once it aborts; that, and cancelling, stops the reading only.
 */
export function followChunks(
  client: Client,
  streamId: string,
  signal: AbortSignal | undefined,
  parse: ParseEvents,
): ReadableStream<UIMessageChunk> {
  const stream = client.stream(streamId, { wait: WAIT_SECONDS });
  const events = new AnswerEvents(streamId, readGapless(stream, `the answer ${streamId}`));
  const body = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => events.pull(controller),
      cancel: () => stream.close(),
    },
    { highWaterMark: 0 },
  );
  const parts = parse(body).getReader();

  return new ReadableStream<UIMessageChunk>({
    start(controller) {
      const abort = (): void => {
        stream.close();
        controller.error(signal?.reason);
      };
      if (signal?.aborted === true) abort();
      signal?.addEventListener("abort", abort, { once: true });
    },
    async pull(controller) {
      const { done, value } = await parts.read();
      if (signal?.aborted === true) return;
      if (!done) controller.enqueue(value);
      else if (events.failure !== null) controller.error(events.failure);
      else controller.close();
    },
    cancel: (reason) => parts.cancel(reason),
  });
}

/** A stream's message chunks as the server-sent events that the AI SDK's own route would have sent. */
class AnswerEvents {
  /** Told after all that came before it, which an error would have taken out of the parser's buffers. */
  failure: unknown = null;
  readonly #streamId: string;
  readonly #next: ReturnType<typeof readGapless>;
  readonly #joiner = new JsonJoiner();
  readonly #encoder = new TextEncoder();
  #hasParts = false;
  #hasOther = false;

  constructor(streamId: string, next: ReturnType<typeof readGapless>) {
    this.#streamId = streamId;
    this.#next = next;
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#next();
        if (done === true) return controller.close();
        const chunk = value.chunk_type;
        const json = this.#joiner.take(chunk) ?? endOf(chunk);
        if (json !== null) controller.enqueue(this.#encoder.encode(`data: ${json}\n\n`));
        this.#hasParts ||= json !== null;
        this.#hasOther ||= chunk.type === "Text";
        if (chunk.type === "Complete" && this.#hasOther && !this.#hasParts) throw this.#noParts();
        if (chunk.type === "Error") controller.close();
        if (json !== null) return;
      }
    } catch (error) {
      this.failure = error;
      controller.close();
    }
  }

  #noParts(): Error {
    return new Error(
      `stream ${this.#streamId} has text but no message chunks: write it with fromIterable(result.toUIMessageStream())`,
    );
  }
}

function endOf(chunk: ChunkType): string | null {
  if (chunk.type !== "Error") return null;
  const part: UIMessageChunk =
    chunk.code === "CANCELLED" ? { type: "abort" } : { type: "error", errorText: chunk.error };
  return JSON.stringify(part);
}

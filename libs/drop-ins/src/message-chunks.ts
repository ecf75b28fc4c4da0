import type { Client } from "@sluice/client";
import type { ChunkType } from "@sluice/core";
import type { UIMessageChunk } from "ai";
import { readGapless } from "./gapless.ts";

// The route answers once the stream is in the log; an edge may hear of it a moment later.
const WAIT_SECONDS = 30;

/**
 * The message chunks that a stream carries as Json, from its beginning. An Error chunk becomes one of the AI SDK's, or `abort`
 * where the answer was cancelled. Ends with the signal's reason once it aborts; that, and cancelling, stops the reading only.
 */
export function followChunks(
  client: Client,
  streamId: string,
  signal: AbortSignal | undefined,
): ReadableStream<UIMessageChunk> {
  const stream = client.stream(streamId, { wait: WAIT_SECONDS });
  const next = readGapless(stream, `the answer ${streamId}`);

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
      for (;;) {
        const { done, value: chunk } = await next();
        if (signal?.aborted === true) return;
        const part = done === true ? null : messageChunkOf(chunk.chunk_type);
        if (part !== null) controller.enqueue(part);
        if (done === true || chunk.chunk_type.type === "Error") controller.close();
        if (part !== null || done === true) return;
      }
    },
    cancel: () => stream.close(),
  });
}

function messageChunkOf(chunk: ChunkType): UIMessageChunk | null {
  if (chunk.type === "Json") return chunk.data as UIMessageChunk;
  if (chunk.type !== "Error") return null;
  return chunk.code === "CANCELLED" ? { type: "abort" } : { type: "error", errorText: chunk.error };
}

import type { ChunkDraft } from "@sluice/core";

/** What an answer needs of its stream. `StreamHandle` of @sluice/producer is one. */
export interface AnswerStream {
  /** Chunks keep the order of the calls. Resolves once the chunk is durable. */
  send(chunk: ChunkDraft): Promise<unknown>;
  close(): Promise<void>;
}

/** What a worker needs to open streams. `StreamManager` of @sluice/producer is one. */
export interface AnswerStreams {
  /** @throws StreamError STREAM_EXISTS and what else opening can fail with */
  createStream(request: { streamId: string }): Promise<{ streamId: string; handle: AnswerStream }>;
}

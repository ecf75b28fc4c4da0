import type { CachedChunk, Page, StreamPage, StreamStatus } from "@sluice/core";
import { cachedFrames, compactFrames } from "@sluice/protocol";

/** A page of the cache. Its frames are made once, however many readers it is for. */
export class ChunkPage implements Page<CachedChunk> {
  readonly chunks: readonly CachedChunk[];
  readonly head: number;
  readonly hasEnded: boolean;
  readonly status: StreamStatus;
  readonly options: string | null;
  readonly #streamId: string;
  #frames: Uint8Array | undefined;
  #compactFrames: Uint8Array | undefined;

  constructor(streamId: string, { chunks, head, hasEnded, status, options }: StreamPage) {
    this.#streamId = streamId;
    this.chunks = chunks;
    this.head = head;
    this.hasEnded = hasEnded;
    this.status = status;
    this.options = options;
  }

  /** Encodes consecutive chunks of the page. */
  framesOf(chunks: readonly CachedChunk[]): Uint8Array {
    if (chunks.length !== this.chunks.length) return cachedFrames(this.#streamId, chunks);
    return (this.#frames ??= cachedFrames(this.#streamId, chunks));
  }

  /** The same, with runs of Text chunks joined. */
  compactFramesOf(chunks: readonly CachedChunk[]): Uint8Array {
    if (chunks.length !== this.chunks.length) return compactFrames(this.#streamId, chunks);
    return (this.#compactFrames ??= compactFrames(this.#streamId, chunks));
  }
}

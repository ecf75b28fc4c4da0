import type { StreamChunk } from "./chunks.ts";
import { createClient } from "./client.ts";
import type { Stream } from "./stream.ts";

const MAX_ATTEMPTS = 5;

/** The client of the seed document, in its shape: a base URL and three callbacks. */
export class StreamClient {
  readonly #baseUrl: string;
  readonly #onChunk: (chunk: StreamChunk) => void;
  readonly #onError: (error: Error) => void;
  readonly #onComplete: () => void;
  #stream: Stream | null = null;

  constructor(
    baseUrl: string,
    onChunk: (chunk: StreamChunk) => void,
    onError: (error: Error) => void,
    onComplete: () => void,
  ) {
    this.#baseUrl = baseUrl;
    this.#onChunk = onChunk;
    this.#onError = onError;
    this.#onComplete = onComplete;
  }

  /** Starting another stream closes the one before. */
  async start(streamId: string, resumeToken?: string): Promise<void> {
    this.close();
    const client = createClient({ edgeUrl: this.#baseUrl, maxAttempts: MAX_ATTEMPTS });
    const stream = client.stream(streamId, resumeToken === undefined ? {} : { resumeToken });
    this.#stream = stream;
    stream.on("chunk", this.#onChunk);
    stream.on("error", this.#onError);
    stream.on("end", ({ status, chunk }) => {
      const type = chunk?.chunk_type;
      if (type?.type === "Error") this.#onError(new Error(type.error));
      else if (status === "deleted") this.#onError(new Error("the stream was deleted"));
      else this.#onComplete();
    });
  }

  close(): void {
    this.#stream?.close();
    this.#stream = null;
  }
}

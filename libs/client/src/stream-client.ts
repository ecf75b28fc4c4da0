import type { StreamChunk } from "./chunks.ts";
import { createClient } from "./client.ts";
import type { Stream } from "./stream.ts";

/** The client of the seed document, in its shape: a base URL and three callbacks. */
export class StreamClient {
  readonly #open: (streamId: string, resumeToken?: string) => Stream;
  #stream: Stream | null = null;

  constructor(
    baseUrl: string,
    onChunk: (chunk: StreamChunk) => void,
    onError: (error: Error) => void,
    onComplete: () => void,
  ) {
    const client = createClient({ edgeUrl: baseUrl, maxAttempts: 5 });
    this.#open = (streamId, resumeToken) => {
      const stream = client.stream(streamId, resumeToken === undefined ? {} : { resumeToken });
      stream.on("chunk", onChunk);
      stream.on("error", onError);
      stream.on("end", ({ status }) => {
        if (status === null || status === "completed") onComplete();
        else onError(new Error(`the stream was ${status}`));
      });
      return stream;
    };
  }

  /** Starting another stream closes the one before. */
  async start(streamId: string, resumeToken?: string): Promise<void> {
    this.close();
    this.#stream = this.#open(streamId, resumeToken);
  }

  close(): void {
    this.#stream?.close();
  }
}

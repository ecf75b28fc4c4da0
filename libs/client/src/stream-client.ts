import type { StreamChunk } from "./chunks.ts";
import { createClient } from "./client.ts";
import type { StreamOptions } from "./stream-options.ts";
import type { Stream } from "./stream.ts";

/**
 * The original client API: a base URL and three callbacks. It gives up after five failed attempts in a row. New code uses
 * {@link createClient}, which can do more.
 *
 * @example
 * ```ts
 * import { StreamClient } from "@sluice/client";
 *
 * export const client = new StreamClient(
 *   "https://edge.example.org",
 *   (chunk) => console.log(chunk.sequence),
 *   (error) => console.error(error),
 *   () => console.log("complete"),
 * );
 * await client.start("river");
 * ```
 */
export class StreamClient {
  /**
   * Reads a stream from its beginning, or after a resume token; a stream that was started before is closed. Resolves at
   * once: how reading goes is told by the callbacks.
   * @throws SluiceError INVALID_STREAM_ID, INVALID_RESUME_TOKEN
   */
  readonly start: (streamId: string, resumeToken?: string) => Promise<void>;
  /** Stops reading. No callback is called any more. */
  readonly close: () => void;

  /**
   * @param baseUrl base URL of the edge
   * @param onChunk takes each chunk once, in order
   * @param onError takes why the stream can't be read, or that it ended other than complete
   * @param onComplete is called at the end of a stream that completed, or of one whose end isn't known any more
   */
  constructor(
    baseUrl: string,
    onChunk: (chunk: StreamChunk) => void,
    onError: (error: Error) => void,
    onComplete: () => void,
  ) {
    const client = createClient({ edgeUrl: baseUrl, maxAttempts: 5 });
    let stream: Stream | undefined;
    this.close = () => stream?.close();
    this.start = async (streamId, resumeToken) => {
      this.close();
      stream = client.stream(streamId, { resumeToken } as StreamOptions);
      stream.on("chunk", onChunk);
      stream.on("error", onError);
      stream.on("end", ({ status }) => {
        if (status === null || status === "completed") onComplete();
        else onError(new Error(`The stream was ${status}`));
      });
    };
  }
}

import type { Client } from "@sluice/client";
import type { StreamStatus } from "@sluice/core";
import { readGapless } from "./gapless.ts";

// An edge answers at once; one that doesn't is away.
const STATUS_TIMEOUT_MS = 10_000;
// Readers of a stream that is surely in the log.
const WAIT_SECONDS = 30;

/** How a stream stands, or null where nobody knows it. @throws Error where the edge can't say */
export async function statusOf(edgeUrl: string, streamId: string): Promise<StreamStatus | null> {
  const response = await fetch(`${edgeUrl}/streams/${streamId}/chunks?tail=0&limit=1`, {
    headers: { accept: "application/json", "sluice-client": "drop-ins" },
    signal: AbortSignal.timeout(STATUS_TIMEOUT_MS),
  });
  const body = (await response.json()) as { status: StreamStatus; detail?: string };
  if (response.ok) return body.status;
  if (response.status === 404) return null;
  if (response.status === 410) return "deleted";
  throw new Error(`the edge can't tell of stream ${streamId}: ${body.detail ?? response.status}`);
}

/**
 * The text of a stream from its beginning, live once it has caught up. Ends with an error where the stream did, or where
 * part of it can't be had any more. Cancelling it stops the reading only.
 */
export function readText(client: Client, streamId: string, skipCharacters: number): ReadableStream<string> {
  const stream = client.stream(streamId, { compact: true, wait: WAIT_SECONDS });
  const next = readGapless(stream, `stream ${streamId}`);
  let toSkip = skipCharacters;

  return new ReadableStream<string>(
    {
      async pull(controller) {
        for (;;) {
          const { done, value: chunk } = await next();
          if (done === true) return controller.close();
          const type = chunk.chunk_type;
          if (type.type === "Error" && type.code !== "CANCELLED")
            throw new Error(`${type.error} (${type.code})`);
          if (type.type !== "Text") continue;
          const text = type.content.slice(toSkip);
          toSkip -= type.content.length - text.length;
          if (text !== "") return controller.enqueue(text);
        }
      },
      cancel: () => stream.close(),
    },
    { highWaterMark: 0 },
  );
}

import type { StreamChunk } from "./chunks.ts";
import type { SluiceError } from "./sluice-error.ts";
import { isOver } from "./stream-state.ts";
import type { Stream } from "./stream.ts";

// Without this bound an application that is slower than its stream would hold all of it; the rest stays with the server.
const MAX_QUEUED_CHUNKS = 1_000;

/**
 * Iterates over a stream's chunks from the moment of the call. Leaving the loop early closes the stream.
 * @param setFull holds back the server, or lets it go on
 */
export function iterateChunks(
  stream: Stream,
  setFull: (isFull: boolean) => void,
): AsyncGenerator<StreamChunk, void, undefined> {
  let queue: StreamChunk[] = [];
  let wake: (() => void) | undefined;
  // They stay: once the loop is left, the stream is closed and tells nothing more.
  stream.on("chunk", (chunk) => {
    if (queue.push(chunk) >= MAX_QUEUED_CHUNKS) setFull(true);
    wake?.();
  });
  stream.on("state", () => wake?.());
  const leave = (): void => {
    stream.close();
    setFull(false);
    queue = [];
  };
  const take = async function* (): AsyncGenerator<StreamChunk, void, undefined> {
    try {
      for (;;) {
        const batch = queue;
        queue = [];
        setFull(false);
        yield* batch;
        if (queue.length > 0) continue;
        if (isOver(stream.state)) break;
        await new Promise<void>((resolve) => (wake = resolve));
      }
      if (stream.state === "failed") throw stream.error as SluiceError;
    } finally {
      leave();
    }
  };
  const chunks = take();
  // A generator that waits, or hasn't begun, learns of its `return` too late, or never.
  const endOfChunks = chunks.return.bind(chunks);
  chunks.return = (value) => {
    leave();
    return endOfChunks(value);
  };
  return chunks;
}

import type { Chunk } from "@sluice/core";

// A stream that was silent for an hour isn't replayed with an hour of silence.
const LONGEST_PAUSE_MS = 3_000;

/**
 * Hands the chunks on with the pauses between their timestamps, divided by the factor.
 * @param factor Infinity: without pauses
 */
export async function playPaced<T extends Chunk>(
  chunks: AsyncIterable<T>,
  factor: number,
  signal: AbortSignal,
  take: (chunk: T) => void,
): Promise<void> {
  let lastMs: number | null = null;
  for await (const chunk of chunks) {
    if (lastMs !== null && factor !== Infinity) {
      await pause(Math.min((chunk.timestamp - lastMs) / factor, LONGEST_PAUSE_MS), signal);
    }
    if (signal.aborted) return;
    lastMs = chunk.timestamp;
    take(chunk);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

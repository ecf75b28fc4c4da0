import type { TestReader } from "./sse-reader.ts";

// Well into what was published after the reader came: what is lost between history and live is before it.
const READS_ON = 20;

/**
 * Joins a stream that is being published: from somewhere within its last chunks, or behind them all, to well into what
 * comes after, or to the terminal chunk. `isWhole`: false where the edge refused, or ended the response before that.
 */
export async function readAwhile(
  bench: { open(path: string, headers: Record<string, string>): Promise<TestReader> },
  streamId: string,
  published: number,
): Promise<{ after: number; got: number[]; isWhole: boolean }> {
  const after = Math.max(0, published - Math.floor(Math.random() * 60));
  const reader = await bench.open(`/streams/${streamId}/events`, { "Last-Event-ID": String(after) });
  const hasEnough = (): boolean =>
    (reader.sequences.at(-1) ?? 0) > published + READS_ON || reader.events.at(-1)?.event === "complete";
  await reader.until("enough", () => reader.hasEnded || hasEnough(), 30_000);
  reader.close();
  return { after, got: reader.sequences, isWhole: hasEnough() };
}

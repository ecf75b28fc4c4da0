import type { PipeOutcome, StreamManager } from "@sluice/producer";

/** Words as they come; then `completed`, `cancelled` or an Error chunk, whichever it was. */
export async function pipeAnswer(
  manager: StreamManager,
  streamId: string,
  words: (signal: AbortSignal) => AsyncIterable<string>,
): Promise<PipeOutcome> {
  const { handle } = await manager.createStream({ streamId, cancelWhenAbandonedSeconds: 300 });
  await using stream = handle;
  return await stream.pipe(words(stream.signal), {
    describeError: () => ({ error: "The model failed.", code: "llm_error" }),
  });
}

import type { StreamHandle, StreamManager } from "@sluice/producer";

interface Llm {
  completeStream(prompt: string, signal: AbortSignal): AsyncIterable<LlmChunk>;
}
type LlmChunk =
  | { type: "content"; text: string }
  | { type: "done"; tokensUsed: number }
  | { type: "error"; message: string };

/** Resolves as soon as readers can come; the answer streams on after that. @param onLost told where it can't be written */
export async function streamLlmResponse(
  manager: StreamManager,
  llm: Llm,
  prompt: string,
  onLost: (error: unknown) => void,
): Promise<string> {
  const { streamId, handle } = await manager.createStream();
  answer(handle, llm.completeStream(prompt, handle.signal)).catch(onLost);
  return streamId;
}

async function answer(handle: StreamHandle, chunks: AsyncIterable<LlmChunk>): Promise<void> {
  await using stream = handle;
  try {
    for await (const chunk of chunks) {
      if (chunk.type === "content") await stream.sendText(chunk.text);
      if (chunk.type === "done") await stream.sendComplete(`Tokens used: ${chunk.tokensUsed}`);
      if (chunk.type === "error") await stream.sendError(chunk.message, "llm_error");
    }
  } catch (error) {
    if (!stream.signal.aborted) throw error;
    await stream.sendCancelled();
  }
}

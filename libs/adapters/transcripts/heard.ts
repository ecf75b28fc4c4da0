import type { ChunkDraft } from "@sluice/core";

/** All chunks of an adapter, in the short form that tests compare: `["Text", "hi"]`, `["tool_result", {…}]`. */
export async function hear(chunks: AsyncIterable<ChunkDraft>): Promise<unknown[]> {
  const heard: unknown[] = [];
  for await (const chunk of chunks) heard.push(shortOf(chunk));
  return heard;
}

export function shortOf({ chunk_type: chunk, data, metadata }: ChunkDraft): unknown[] {
  if (chunk.type === "Event") return [chunk.event_type, chunk.payload];
  const { type, ...fields } = chunk;
  const part = metadata?.custom?.["part"];
  return [
    type,
    ...Object.values(fields),
    ...(part === undefined ? [] : [part]),
    ...(type === "Complete" ? [data] : []),
  ];
}

import type { Chunk, StreamStatus } from "@sluice/core";
import { getJson } from "./control.ts";

/** Page of a stream's history, as an edge answers it. */
export interface HistoryPage {
  readonly chunks: readonly Chunk[];
  readonly next_after: number;
  readonly head: number;
  readonly status: StreamStatus;
  readonly gaps?: readonly { readonly from?: number; readonly to?: number; readonly reason: string }[];
}

export const PAGE_CHUNKS = 100;

/** Loads up to 100 chunks. @param from the first sequence; null: the newest chunks */
export function loadHistory(edgeUrl: string, streamId: string, from: number | null): Promise<HistoryPage> {
  const start: Record<string, string> =
    from === null ? { tail: String(PAGE_CHUNKS) } : { after: String(from - 1) };
  return getJson<HistoryPage>(`${edgeUrl}/streams/${encodeURIComponent(streamId)}/chunks`, {
    ...start,
    limit: String(PAGE_CHUNKS),
  });
}

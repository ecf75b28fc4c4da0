import type { CachedChunk, LogElement } from "@sluice/core";
import { chunkJsonHead, eventNameOf, eventNameOfBody, unnumberedJsonHead } from "./chunk-json.ts";

/** Why a range can't be had: aged out of log and cache, or the reader's position is beyond the stream's end. */
export type GapReason = "expired" | "cursor_ahead" | "new_era";

/** The frames of consecutive elements of one message, for the live feed: encoded once, sent to everyone. */
export function elementFrames(streamId: string, first: number, elements: readonly LogElement[]): string {
  let frames = "";
  for (const [index, element] of elements.entries()) {
    const sequence = first + index;
    frames +=
      element.kind === "rejected"
        ? placeholderFrame(sequence)
        : `id: ${sequence}\nevent: ${eventNameOfBody(element.body)}\ndata: ${chunkJsonHead(streamId, sequence)}${element.body}\n\n`;
  }
  return frames;
}

/** The same frame, made from a cached chunk, byte for byte. JSON has no line breaks, so `data` is one line. */
export function cachedChunkFrame(streamId: string, chunk: CachedChunk): Uint8Array {
  if (chunk.json.byteLength === 0) return Buffer.from(placeholderFrame(chunk.sequence));
  const event = eventNameOf(chunk.json, streamId, chunk.sequence);
  return Buffer.concat([
    Buffer.from(`id: ${chunk.sequence}\nevent: ${event}\ndata: `),
    chunk.json,
    FRAME_END,
  ]);
}

const FRAME_END = Buffer.from("\n\n");

/** Id only: moves the client's position past a rejected element and fires nothing. */
function placeholderFrame(sequence: number): string {
  return `id: ${sequence}\n\n`;
}

/** A producer's sign of life. Without an id: it is no position, and moves none. */
export function heartbeatFrame(streamId: string, body: string): string {
  return `event: heartbeat\ndata: ${unnumberedJsonHead(streamId)}${body}\n\n`;
}

/** Sequences `from` … `to` are lost to this reader. Carries `to` as id, so that a reconnect goes on after it. */
export function gapFrame(gap: { streamId: string; from: number; to: number; reason: GapReason }): string {
  const data = { stream_id: gap.streamId, from: gap.from, to: gap.to, reason: gap.reason };
  return `id: ${gap.to}\nevent: gap\ndata: ${JSON.stringify(data)}\n\n`;
}

/** The reader's position is beyond what exists: it goes on after `head`, and what it had above that is not this stream's. */
export function resetFrame(reset: { streamId: string; cursor: number; head: number }): string {
  const data = {
    stream_id: reset.streamId,
    reset: true,
    cursor: reset.cursor,
    head: reset.head,
    reason: "cursor_ahead",
  };
  return `id: ${reset.head}\nevent: gap\ndata: ${JSON.stringify(data)}\n\n`;
}

/** The stream was deleted under its readers. */
export function deletedFrame(streamId: string, sequence: number): string {
  return `id: ${sequence}\nevent: deleted\ndata: ${JSON.stringify({ stream_id: streamId, sequence })}\n\n`;
}

/** How long EventSource waits before it reconnects, ms. */
export function retryFrame(retryMs: number): string {
  return `retry: ${Math.round(retryMs)}\n\n`;
}

export function commentFrame(text: string): string {
  return `: ${text}\n\n`;
}

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

/** The same frames, byte for byte, made from cached chunks of one stream. JSON has no line breaks, so `data` is one line. */
export function cachedFrames(streamId: string, chunks: readonly CachedChunk[]): Uint8Array {
  const heads: string[] = [];
  let bytes = 0;
  for (const chunk of chunks) {
    const head = cachedFrameHead(streamId, chunk);
    heads.push(head);
    bytes += head.length + chunk.json.byteLength + FRAME_END.byteLength;
  }
  const frames = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const [index, { json }] of chunks.entries()) {
    at += frames.write(heads[index] ?? "", at, "latin1");
    frames.set(json, at);
    at += json.byteLength;
    frames.set(FRAME_END, at);
    at += FRAME_END.byteLength;
  }
  return frames;
}

/** Writes the id alone for a rejected element, of which there is no JSON, as `placeholderFrame` does. */
function cachedFrameHead(streamId: string, { sequence, json }: CachedChunk): string {
  if (json.byteLength === 0) return `id: ${sequence}`;
  return `id: ${sequence}\nevent: ${eventNameOf(json, streamId, sequence)}\ndata: `;
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

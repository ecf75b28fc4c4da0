import type { EndStatus, StreamErrorCode } from "@sluice/core";

/**
 * Notice about one stream of a connection that carries many. `sequence`: the last one that was sent of it; `status`: left out
 * where the server hasn't read it.
 */
export type StreamNotice =
  | { state: "following" | "dropped"; sequence: number | null }
  | { state: "ended"; sequence: number | null; status?: EndStatus }
  | { state: "refused"; code: StreamErrorCode; detail: string };

/** Opens a connection of many streams: under this id streams can be added to it and dropped. */
export function connectionFrame(connectionId: string, streamIds: readonly string[]): string {
  return frame("connection", { connection_id: connectionId, streams: streamIds });
}

export function streamNoticeFrame(streamId: string, notice: StreamNotice): string {
  return frame("stream", { stream_id: streamId, ...notice });
}

function rejectedFrame(streamId: string, sequence: number): string {
  return frame("rejected", { stream_id: streamId, sequence });
}

/** Moves the client's position and fires nothing. @param id not empty: an empty one would reset the position */
export function idFrame(id: string): string {
  return `id: ${id}\n\n`;
}

const FRAME_END = Buffer.from("\n\n");
const ID_FIELD = Buffer.from("id: ");
const NEWLINE = 0x0a;

/** Whole frames of one stream without their ids. A refused element's, which was nothing else, says so instead: a reader must see no hole. */
export function withoutIds(streamId: string, frames: Uint8Array): Uint8Array {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength;) {
    const end = bytes.indexOf(FRAME_END, at) + FRAME_END.byteLength;
    const hasId = bytes.subarray(at, at + ID_FIELD.byteLength).equals(ID_FIELD);
    const from = hasId ? bytes.indexOf(NEWLINE, at) + 1 : at;
    if (end - from > 1) parts.push(bytes.subarray(from, end));
    else
      parts.push(
        Buffer.from(rejectedFrame(streamId, Number(bytes.toString("latin1", at + ID_FIELD.length, from)))),
      );
    at = end;
  }
  return Buffer.concat(parts);
}

function frame(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

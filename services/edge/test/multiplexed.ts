import type { Chunk } from "@sluice/core";
import type { TestReader } from "./sse-reader.ts";

const CHUNK_EVENTS = new Set(["text", "complete", "error"]);

/** Picks the sequences of one stream, from a reader of many. */
export function sequencesOf(reader: TestReader, streamId: string): number[] {
  return chunksOf(reader)
    .filter((chunk) => chunk.stream_id === streamId)
    .map(({ sequence }) => sequence);
}

export function chunksOf(reader: TestReader): Chunk[] {
  return reader.events
    .filter(({ event }) => CHUNK_EVENTS.has(event ?? ""))
    .map(({ data }) => JSON.parse(data) as Chunk);
}

interface Notice {
  stream_id: string;
  state: string;
  sequence?: number | null;
  code?: string;
}

export const noticesOf = (reader: TestReader): Notice[] =>
  reader.ofEvent("stream").map(({ data }) => JSON.parse(data) as Notice);

export const has = (reader: TestReader, streamId: string, sequence: number) =>
  reader.until(`${streamId} ${sequence}`, () => sequencesOf(reader, streamId).at(-1) === sequence);

export const urlOf = (ids: readonly string[]): string =>
  `/streams/events?${ids.map((id) => `stream_id=${id}`).join("&")}`;

export const connectionIdOf = (reader: TestReader): string =>
  String(reader.response.headers["sluice-connection-id"]);

import type { AppendOutcome, CachedChunk, Checkpoint, ChunkCache, LogEntry } from "@sluice/core";
import { chunkJsonHead } from "@sluice/protocol";
import { expect } from "vitest";
import { textElement } from "../log-entry-samples.ts";

const ALL = { maxChunks: 100_000, maxBytes: 1e9 };
const utf8 = new TextDecoder();

export function checkpointAt(brokerSequence: number, logCreatedMs = 1): Checkpoint {
  return { brokerSequence, timestampMs: brokerSequence === 0 ? 0 : 1000 + brokerSequence, logCreatedMs };
}

/** Appends entries that were read after `readAfter`, with a checkpoint at the last. */
export function append(
  cache: ChunkCache,
  readAfter: number,
  entries: readonly LogEntry[],
  logCreatedMs = 1,
): Promise<AppendOutcome> {
  const checkpoint = checkpointAt(entries.at(-1)?.brokerSequence ?? readAfter, logCreatedMs);
  return cache.append({ partition: 0, readAfter, checkpoint, entries });
}

/** The same, on a partition that may have no checkpoint yet, where all of it must be written. */
export async function write(
  cache: ChunkCache,
  readAfter: number,
  entries: readonly LogEntry[],
): Promise<void> {
  await cache.seedCheckpoint(0, checkpointAt(readAfter));
  expect(await append(cache, readAfter, entries)).toMatchObject({ kind: "applied" });
}

/** A stream's chunks by sequence, as text; "" for a placeholder. */
export async function contents(cache: ChunkCache, streamId = "s", after = 0): Promise<[number, string][]> {
  const page = await cache.readPage(streamId, after, ALL);
  return (page?.chunks ?? []).map((chunk) => [chunk.sequence, contentOf(chunk)]);
}

/** The text of a chunk that a sample made. Fails where its JSON doesn't say the stream and sequence that it is cached for. */
export function contentOf(chunk: CachedChunk): string {
  if (chunk.json.byteLength === 0) return "";
  const parsed = JSON.parse(utf8.decode(chunk.json)) as { sequence: number; chunk_type: { content: string } };
  expect(parsed.sequence).toBe(chunk.sequence);
  return parsed.chunk_type.content;
}

/** A cached chunk as a rebuild makes it. */
export function cachedText(sequence: number, text: string, streamId = "s"): CachedChunk {
  const element = textElement(text);
  const body = element.kind === "chunk" ? element.body : "";
  return { sequence, json: Buffer.from(chunkJsonHead(streamId, sequence) + body) };
}

import type { VerifyingReader } from "@sluice/testing";
import { type SentChunk, type WrittenStream } from "./written-stream.ts";

interface ReadChunk {
  sequence: number;
  chunk_type: { type: string; content?: string; summary?: string };
}

/** Every way in which what was read is not what was written; empty: the promise was kept. */
export function differences(
  streams: readonly WrittenStream[],
  readings: readonly { stream: WrittenStream; reader: VerifyingReader; after: number }[],
): string[] {
  const found: string[] = [];
  for (const stream of streams) {
    const own = readings.filter((reading) => reading.stream === stream);
    const [first, ...others] = own;
    const report = (what: string): number => found.push(`${stream.streamId}: ${what}`);
    if (first === undefined || first.after !== 0) {
      report("nobody read it from the beginning");
      continue;
    }
    for (const { reader } of own) {
      for (const problem of reader.problems) report(problem);
      for (const gap of reader.gaps) report(`gap of ${gap.from} to ${gap.to}`);
      if (reader.endedWith !== "complete") report(`ended with ${reader.endedWith}`);
    }
    for (const difference of fromWritten(stream.sent, first.reader.data)) report(difference);
    // Byte for byte: no sequence ever stood for two chunks, whoever read it, and when.
    for (const { reader, after } of others) {
      const expected = first.reader.data.slice(after);
      const index = expected.findIndex((data, place) => data !== reader.data[place]);
      if (index >= 0) report(`another chunk at ${after + index + 1}`);
      if (reader.data.length !== expected.length) report(`${reader.data.length} of ${expected.length} read`);
    }
  }
  return found;
}

function fromWritten(sent: readonly SentChunk[], data: readonly string[]): string[] {
  const found: string[] = [];
  let next = 0;
  for (const [index, json] of data.entries()) {
    const chunk = JSON.parse(json) as ReadChunk;
    const content = chunk.chunk_type.content ?? chunk.chunk_type.summary;
    if (chunk.sequence !== index + 1) found.push(`${chunk.sequence} at place ${index + 1}`);
    const at = sent.findIndex((candidate, place) => place >= next && candidate.content === content);
    if (at < 0) {
      found.push(`${index + 1} was never written, or before: ${content}`);
      continue;
    }
    found.push(...lostAmong(sent.slice(next, at)));
    const match = sent[at];
    if (match?.outcome === "refused") found.push(`${index + 1} was said not to be stored`);
    const promised = match?.sequence ?? chunk.sequence;
    if (promised !== chunk.sequence)
      found.push(`${promised} was told the producer, ${chunk.sequence} the reader`);
    next = at + 1;
  }
  return [...found, ...lostAmong(sent.slice(next))];
}

function lostAmong(skipped: readonly SentChunk[]): string[] {
  return skipped
    .filter((chunk) => chunk.outcome === "acknowledged")
    .map((chunk) => `acknowledged, and lost: ${chunk.content}`);
}

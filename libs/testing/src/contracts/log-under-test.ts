import { randomUUID } from "node:crypto";
import { partitionOf, type OutgoingMessage, type PartitionLog, type StreamLog } from "@sluice/core";

/** One log, seen as producers and as ingest see it. It may hold other streams; the suites make their own ids. */
export interface LogUnderTest {
  streamLog: StreamLog;
  partitionLog: PartitionLog;
  /** Publishes as any NATS client does: no id, no expectation, no number. */
  publishBare(streamId: string, payload: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** An id that nobody used before, in the given partition if one is given. */
export function freshStreamId(where?: { partition: number; partitions: number }): string {
  if (where !== undefined && where.partition >= where.partitions)
    throw new Error(`there is no partition ${where.partition} of ${where.partitions}`);
  for (;;) {
    const id = `t-${randomUUID()}`;
    if (where === undefined || partitionOf(id, where.partitions) === where.partition) return id;
  }
}

const encoder = new TextEncoder();

/** A message with defaults for all that a test isn't about. */
export function outgoing<Expected extends number | null>(
  message: { streamId: string; expectedLastSequence: Expected } & Partial<OutgoingMessage>,
): OutgoingMessage & { expectedLastSequence: Expected } {
  return { messageId: `${randomUUID()}:1`, producerSequence: null, payload: textPayload("hi"), ...message };
}

export function textPayload(text: string): Uint8Array {
  return encoder.encode(JSON.stringify({ type: "Text", content: text }));
}

/** Appends one message after another to a stream. @returns their broker sequences */
export async function appendTexts(
  log: StreamLog,
  streamId: string,
  texts: readonly string[],
): Promise<number[]> {
  const stored: number[] = [];
  for (const text of texts) {
    const outcome = await log.append(
      outgoing({ streamId, payload: textPayload(text), expectedLastSequence: stored.at(-1) ?? 0 }),
    );
    if (outcome.kind !== "stored") throw new Error(`append of ${text} was answered with ${outcome.kind}`);
    stored.push(outcome.brokerSequence);
  }
  return stored;
}

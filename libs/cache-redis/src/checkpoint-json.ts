import type { Checkpoint } from "@sluice/core";

/** A checkpoint as its key holds it. Numbers stay exact up to 2^53, in JavaScript as in Lua's cjson. */
export function encodeCheckpoint(checkpoint: Checkpoint): string {
  return JSON.stringify({
    broker_sequence: checkpoint.brokerSequence,
    timestamp_ms: checkpoint.timestampMs,
    log_created_ms: checkpoint.logCreatedMs,
  });
}

export function decodeCheckpoint(text: string): Checkpoint {
  const stored = JSON.parse(text) as {
    broker_sequence: number;
    timestamp_ms: number;
    log_created_ms: number;
  };
  return {
    brokerSequence: stored.broker_sequence,
    timestampMs: stored.timestamp_ms,
    logCreatedMs: stored.log_created_ms,
  };
}

import type { ConnectionRecord } from "@sluice/core";
import { z } from "zod";

/** Answers of the routes for operators. Read leniently: a newer gateway may say more. */

const count = z.int().nonnegative();

export const listedStreamSchema = z.object({
  stream_id: z.string(),
  status: z.enum(["open", "completed", "errored", "cancelled", "deleted"]),
  head_sequence: count,
  chunk_count: count,
  byte_count: count,
  created_ms: count,
  updated_ms: count,
  ended_ms: count.nullable(),
  cancel_requested_ms: count.nullable(),
});

export const streamListSchema = z.object({
  streams: z.array(listedStreamSchema),
  next_cursor: z.string().nullable(),
});

export const serviceListSchema = z.object({
  services: z.array(
    z.object({
      service: z.enum(["ingest", "edge", "gateway", "worker"]),
      instance: z.string(),
      started_ms: count,
      figures: z.record(z.string(), z.number()),
      partitions: z.array(count),
    }),
  ),
});

export const connectionListSchema = z.object({
  connections: z.array(
    z.object({
      connection_id: z.string(),
      streams: z.array(
        z.object({ stream_id: z.string(), last_sequence: count.nullable(), phase: z.string() }),
      ),
      connected_at: count,
      last_seen: count,
      client_address: z.string(),
      user_agent: z.string(),
    }),
  ),
  next_after: z.string().nullable(),
});

export const readerCountsSchema = z.object({ readers: z.record(z.string(), count) });

export const partitionListSchema = z.object({
  partitions: z.array(
    z.object({
      partition: count,
      owner: z.string().nullable(),
      checkpoint: z.object({ broker_sequence: count, timestamp_ms: count, log_created_ms: count }).nullable(),
      lag_ms: z.number().nonnegative().nullable(),
      lag_messages: count.nullable(),
    }),
  ),
  log: z
    .object({
      first_sequence: count,
      last_sequence: count,
      created_ms: count,
      fullness: z.number().nonnegative(),
    })
    .nullable(),
});

export const rejectedListSchema = z.object({
  rejected: z.array(
    z.object({
      position: count,
      stream_id: z.string(),
      reason: z.string(),
      broker_sequence: count.nullable(),
      element: count.nullable(),
      stored_ms: count,
      payload: z.string(),
      payload_bytes: count,
    }),
  ),
  next_before: count.nullable(),
});

/** A connection as edges and gateways list it. */
export function connectionJson(
  record: ConnectionRecord,
): z.output<typeof connectionListSchema>["connections"][number] {
  return {
    connection_id: record.connectionId,
    streams: record.streams.map(({ streamId, lastSequence, phase }) => ({
      stream_id: streamId,
      last_sequence: lastSequence,
      phase,
    })),
    connected_at: record.connectedMs,
    last_seen: record.lastSeenMs,
    client_address: record.address,
    user_agent: record.userAgent,
  };
}

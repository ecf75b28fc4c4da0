import type { SchemaName } from "./schemas.ts";
import type { Operation, Parameter } from "./operation.ts";

const parameter = (name: string, description: string, schema: object): Parameter => ({
  name,
  description,
  schema,
});
const most = (maximum: number, fallback: number): Parameter =>
  parameter("limit", "Most of the answer.", { type: "integer", minimum: 1, maximum, default: fallback });

const read = (
  path: string,
  id: string,
  summary: string,
  schema: SchemaName,
  query: readonly Parameter[] = [],
): Operation => ({
  method: "GET",
  path,
  id,
  summary,
  query,
  answers: { 200: { description: "As of now.", content: { "application/json": schema } } },
  problems: ["CACHE_UNAVAILABLE", "LOG_UNAVAILABLE", "CONNECTION"],
});

/** Routes that operators may read, where the gateway lets them. */
export const CONTROL_OPERATIONS: readonly Operation[] = [
  read("/streams", "listStreams", "Streams, newest message first", "StreamList", [
    parameter("status", "Only streams in this status; ended: in any but open.", {
      type: "string",
      enum: ["open", "completed", "errored", "cancelled", "deleted", "ended"],
    }),
    parameter("prefix", "What their ids begin with.", {
      type: "string",
      pattern: "^[A-Za-z0-9_-]{0,128}$",
    }),
    parameter("cursor", "next_cursor of the page before; no other is taken.", {
      type: "string",
      pattern: "^[A-Za-z0-9_-]+$",
    }),
    most(200, 50),
  ]),
  read("/control/services", "listServices", "What each process says of itself", "ServiceList"),
  read("/control/connections", "listConnections", "Readers' connections, by id", "ConnectionList", [
    parameter("after", "next_after of the page before.", { type: "string" }),
    most(1_000, 100),
  ]),
  read("/control/readers", "countReaders", "How many readers streams have", "ReaderCounts", [
    {
      ...parameter("stream_id", "Up to 500 streams.", { type: "string" }),
      isRepeated: true,
      isRequired: true,
    },
  ]),
  read("/control/partitions", "listPartitions", "Owners, checkpoints and lags", "PartitionList"),
  read("/control/rejected", "listRejected", "Refused elements, newest first", "RejectedList", [
    parameter("before", "next_before of the page before.", { type: "integer", minimum: 1 }),
    most(100, 20),
  ]),
];

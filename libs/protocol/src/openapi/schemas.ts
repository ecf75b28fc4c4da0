import { z } from "zod";
import { chunkMetadataSchema, chunkTypeSchema } from "../chunk-schema.ts";
import {
  connectionListSchema,
  partitionListSchema,
  readerCountsSchema,
  rejectedListSchema,
  serviceListSchema,
  streamListSchema,
} from "../control-bodies.ts";
import {
  appendedSchema,
  batchCreatedSchema,
  batchCreationSchema,
  cancelAnsweredSchema,
  completionSchema,
  createdSchema,
  creationSchema,
  historyPageSchema,
  problemSchema,
  promptRequestSchema,
  proxyRequestSchema,
  sentChunkSchema,
  sentChunksSchema,
  serviceIndexSchema,
  storedChunkSchema,
  streamStatusSchema,
  uploadLineSchema,
} from "../http-bodies.ts";
import { streamOptionsSchema } from "../stream-options.ts";

/** Shapes of requests: fields with defaults may be left out. */
const SENT = {
  SentChunk: sentChunkSchema,
  SentChunks: sentChunksSchema,
  SentChunkType: chunkTypeSchema,
  SentMetadata: chunkMetadataSchema,
  StreamOptions: streamOptionsSchema,
  Creation: creationSchema,
  BatchCreation: batchCreationSchema,
  Completion: completionSchema,
  PromptRequest: promptRequestSchema,
  ProxyRequest: proxyRequestSchema,
} as const;

/** Shapes of answers: every field is there. */
const ANSWERED = {
  Problem: problemSchema,
  ServiceIndex: serviceIndexSchema,
  Created: createdSchema,
  BatchCreated: batchCreatedSchema,
  Appended: appendedSchema,
  UploadLine: uploadLineSchema,
  StreamStatus: streamStatusSchema,
  CancelAnswered: cancelAnsweredSchema,
  Chunk: storedChunkSchema,
  HistoryPage: historyPageSchema,
  StreamList: streamListSchema,
  ServiceList: serviceListSchema,
  ConnectionList: connectionListSchema,
  ReaderCounts: readerCountsSchema,
  PartitionList: partitionListSchema,
  RejectedList: rejectedListSchema,
} as const;

export type SchemaName = keyof typeof SENT | keyof typeof ANSWERED;

/** All schemas as JSON Schema, by name; those that contain others refer to them. */
export function namedSchemas(): Record<string, object> {
  return { ...jsonSchemas(SENT, "input"), ...jsonSchemas(ANSWERED, "output") };
}

function jsonSchemas(
  schemas: Readonly<Record<string, z.ZodType>>,
  io: "input" | "output",
): Record<string, object> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
  const written = z.toJSONSchema(registry, { io, unrepresentable: "any", uri: refTo }).schemas;
  return Object.fromEntries(
    Object.entries(written).map(([name, { $schema: _dialect, $id: _address, ...schema }]) => [name, schema]),
  );
}

/** Where the document has a schema. */
export function refTo(name: string): string {
  return `#/components/schemas/${name}`;
}

import { HTTP_HEADERS } from "../http-headers.ts";
import { CANCEL_OPERATION } from "./cancel-operation.ts";
import type { Operation, Parameter } from "./operation.ts";

const JSON_TYPE = "application/json";
const NDJSON_TYPE = "application/x-ndjson";

const key: Parameter = {
  name: HTTP_HEADERS.idempotencyKey,
  description: "A repeat with the same key gets the first answer, for at least 24 h.",
  schema: { type: "string", minLength: 1, maxLength: 255 },
};
const sequence: Parameter = {
  name: HTTP_HEADERS.sequence,
  description: "The number that the first chunk must take.",
  schema: { type: "integer", minimum: 1 },
};
const mode: Parameter = {
  name: "mode",
  description:
    "exclusive: takes the stream over, and is FENCED as soon as somebody else writes. Not with an Idempotency-Key.",
  schema: { type: "string", enum: ["shared", "exclusive"], default: "shared" },
};
const replayed = { [HTTP_HEADERS.replayed]: "true: this is the answer of an earlier request." };
const keyed = ["IDEMPOTENCY_KEY_REUSED", "QUOTA_EXCEEDED", "CACHE_UNAVAILABLE"] as const;
const logged = ["LOG_UNAVAILABLE", "LOG_FULL", "CLOSED"] as const;
/** Refusals of creations, besides those of every request. */
const creating = ["UNPROCESSABLE", "QUOTA_EXCEEDED", "STORAGE_FULL"] as const;
const appending = [
  ...keyed,
  ...logged,
  "STREAM_NOT_FOUND",
  "STREAM_ENDED",
  "STREAM_DELETED",
  "FENCED",
  "INVALID_CHUNK",
  "CHUNK_TOO_LARGE",
  "OVERLOADED",
  "DRAINING",
  "BACKPRESSURE_EXCEEDED",
] as const;
const appended = {
  description: "Stored.",
  content: { [JSON_TYPE]: "Appended" },
  headers: replayed,
} as const;

/** Every request that the gateway takes. */
export const GATEWAY_OPERATIONS: readonly Operation[] = [
  {
    method: "GET",
    path: "/",
    id: "index",
    summary: "What there is",
    answers: { 200: { description: "The routes.", content: { [JSON_TYPE]: "ServiceIndex" } } },
    problems: [],
  },
  {
    method: "GET",
    path: "/openapi.json",
    id: "describe",
    summary: "This document",
    answers: { 200: { description: "OpenAPI 3.1.", content: { [JSON_TYPE]: null } } },
    problems: [],
  },
  {
    method: "POST",
    path: "/streams",
    id: "createStream",
    summary: "Create a stream",
    headers: [key],
    body: { isRequired: false, content: { [JSON_TYPE]: "Creation" } },
    answers: {
      201: {
        description: "It is in the log.",
        content: { [JSON_TYPE]: "Created" },
        headers: { Location: "Its status.", ...replayed },
      },
    },
    problems: [
      ...keyed,
      ...logged,
      ...creating,
      "STREAM_EXISTS",
      "STREAM_DELETED",
      "UNSUPPORTED_MEDIA_TYPE",
      "CHUNK_TOO_LARGE",
    ],
  },
  {
    method: "POST",
    path: "/streams/batch",
    id: "createStreams",
    summary: "Create up to 100 streams, each for itself",
    headers: [key],
    body: { isRequired: true, content: { [JSON_TYPE]: "BatchCreation" } },
    answers: {
      201: { description: "All are created.", content: { [JSON_TYPE]: "BatchCreated" }, headers: replayed },
      207: { description: "Some are not.", content: { [JSON_TYPE]: "BatchCreated" }, headers: replayed },
    },
    problems: [...keyed, ...logged, ...creating, "UNSUPPORTED_MEDIA_TYPE", "CHUNK_TOO_LARGE"],
  },
  {
    method: "POST",
    path: "/streams/{streamId}/chunks",
    id: "appendChunks",
    summary: "Append a chunk, an array of chunks, or NDJSON, one chunk a line, as it arrives",
    query: [mode],
    headers: [sequence, key],
    body: { isRequired: true, content: { [JSON_TYPE]: "SentChunks", [NDJSON_TYPE]: "SentChunk" } },
    answers: {
      200: { ...appended, content: { [JSON_TYPE]: "Appended", [NDJSON_TYPE]: "UploadLine" } },
    },
    problems: [...appending, "UNSUPPORTED_MEDIA_TYPE"],
  },
  {
    method: "POST",
    path: "/streams/{streamId}/complete",
    id: "completeStream",
    summary: "End a stream",
    query: [mode],
    headers: [sequence, key],
    body: { isRequired: false, content: { [JSON_TYPE]: "Completion" } },
    answers: { 200: appended },
    problems: [...appending, "UNPROCESSABLE", "UNSUPPORTED_MEDIA_TYPE"],
  },
  {
    method: "POST",
    path: "/streams/{streamId}/heartbeat",
    id: "beat",
    summary: "Keep a silent stream from its idle limit",
    query: [mode],
    headers: [sequence, key],
    answers: { 200: appended },
    problems: appending,
  },
  {
    method: "POST",
    path: "/streams/{streamId}/proxy",
    id: "proxyAnswer",
    summary: "Have a model server answer: OpenAI's chat completion, written to the stream",
    headers: [sequence, key],
    body: { isRequired: true, content: { [JSON_TYPE]: "ProxyRequest" } },
    answers: {
      202: {
        description: "The stream is open, the answer on its way.",
        content: { [JSON_TYPE]: "Created" },
        headers: { Location: "Its status.", ...replayed },
      },
    },
    problems: [...appending, ...creating, "STREAM_EXISTS", "NOT_FOUND", "UNSUPPORTED_MEDIA_TYPE"],
  },
  CANCEL_OPERATION,
  {
    method: "GET",
    path: "/streams/{streamId}",
    id: "readStatus",
    summary: "How a stream stands",
    answers: { 200: { description: "Its record.", content: { [JSON_TYPE]: "StreamStatus" } } },
    problems: ["STREAM_NOT_FOUND", "CACHE_UNAVAILABLE"],
  },
  {
    method: "DELETE",
    path: "/streams/{streamId}",
    id: "deleteStream",
    summary: "Delete a stream for good",
    answers: { 204: { description: "It is deleted." } },
    problems: [...logged, "STREAM_NOT_FOUND", "CACHE_UNAVAILABLE"],
  },
  {
    method: "POST",
    path: "/prompts",
    id: "ask",
    summary: "Have a worker answer",
    headers: [key],
    body: { isRequired: true, content: { [JSON_TYPE]: "PromptRequest" } },
    answers: {
      201: {
        description: "A worker has accepted.",
        content: { [JSON_TYPE]: "Created" },
        headers: { Location: "The status of the stream.", ...replayed },
      },
    },
    problems: [
      ...keyed,
      ...creating,
      "STREAM_EXISTS",
      "STREAM_DELETED",
      "NO_WORKER",
      "OVERLOADED",
      "CONNECTION",
      "UNSUPPORTED_MEDIA_TYPE",
      "CHUNK_TOO_LARGE",
    ],
  },
];

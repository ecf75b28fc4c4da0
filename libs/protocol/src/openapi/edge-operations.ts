import { CANCEL_OPERATION } from "./cancel-operation.ts";
import type { Operation, Parameter } from "./operation.ts";
import { STREAM_ID } from "../stream-id-schema.ts";

const JSON_TYPE = "application/json";
const whole = { type: "integer", minimum: 0 };

const parameter = (name: string, description: string, schema: object): Parameter => ({
  name,
  description,
  schema,
});
const from = parameter("from", "The first sequence wanted.", { type: "integer", minimum: 1 });
const tail = parameter("tail", "How many of the last are wanted.", whole);
const token = parameter("resume_token", "Base64 of `<id>:<sequence>`.", { type: "string" });
const wait = parameter("wait", "How many seconds an unknown stream is waited for.", whole);
const compact = parameter("compact", "1: replayed texts are joined.", { type: "integer", enum: [0, 1] });
const coalesce = parameter("coalesce_ms", "For how long the server gathers what is to be sent.", whole);
const streamIds: Parameter = {
  ...parameter("stream_id", "The streams, in the order of their positions.", STREAM_ID),
  isRepeated: true,
  isRequired: true,
};
const lastIdNames = ["last_event_id", "lastEventId"] as const;
const asHeader = "As the header Last-Event-ID, for readers that can't set it.";
const lastIds = lastIdNames.map((name) => parameter(name, asHeader, { type: "string" }));
const lastEventId = parameter("Last-Event-ID", "The last id that the reader has.", { type: "string" });
/** Position in one stream. Empty is none. */
const position = { type: "string", pattern: "^[0-9]{0,15}$" };
const lastSequences = lastIdNames.map((name) => parameter(name, asHeader, position));
const lastSequence = parameter("Last-Event-ID", "The last sequence that the reader has.", position);
const client = parameter("Sluice-Client", "Names a client that understands 503.", { type: "string" });

const events = {
  description:
    "Chunks from the position on, then live. A refusal that may pass, to a browser: only `retry:`.",
  content: { "text/event-stream": null },
  headers: {
    "Sluice-Resume-Token": "The position that the answer begins at.",
    "Sluice-Connection-Id": "Under which streams can be added, where there are many.",
  },
} as const;
const reading = [
  "STREAM_NOT_FOUND",
  "STREAM_DELETED",
  "OVERLOADED",
  "DRAINING",
  "CACHE_UNAVAILABLE",
] as const;

const readEvents = {
  method: "GET",
  query: [...lastIds, token, from, tail, compact, wait, coalesce],
  headers: [lastEventId, client],
  answers: {
    200: events,
    204: { description: "The stream has ended, as `Sluice-Status` says, and the reader has all of it." },
  },
  problems: [...reading, "INVALID_RESUME_TOKEN", "CONNECTION"],
} satisfies Omit<Operation, "path" | "id" | "summary">;

const following = [
  "CONNECTION_NOT_FOUND",
  "STREAM_NOT_FOUND",
  "CONNECTION",
  "OVERLOADED",
  "DRAINING",
] as const;

/** Every request that an edge takes. */
export const EDGE_OPERATIONS: readonly Operation[] = [
  {
    method: "GET",
    path: "/openapi.json",
    id: "describe",
    summary: "This document",
    answers: { 200: { description: "OpenAPI 3.1.", content: { [JSON_TYPE]: null } } },
    problems: [],
  },
  {
    ...readEvents,
    path: "/stream",
    id: "readStream",
    summary: "One stream, or, with `stream_id` repeated, several",
    query: [streamIds, ...readEvents.query],
  },
  {
    ...readEvents,
    path: "/streams/{streamId}/events",
    id: "readEvents",
    summary: "One stream",
    query: [...lastSequences, token, from, tail, compact, wait, coalesce],
    headers: [lastSequence, client],
  },
  {
    ...readEvents,
    path: "/streams/events",
    id: "readManyEvents",
    summary: "Up to 64 streams on one connection",
    query: [
      streamIds,
      ...readEvents.query.filter((given) => given !== token),
      { ...token, isRepeated: true },
    ],
  },
  {
    method: "GET",
    path: "/streams/{streamId}/chunks",
    id: "readPage",
    summary: "A page of a stream",
    query: [
      parameter("after", "The last sequence that the reader has.", whole),
      from,
      tail,
      parameter("limit", "Most chunks of the page; more than 1,000 count as 1,000.", {
        type: "integer",
        minimum: 1,
        default: 100,
      }),
      wait,
    ],
    answers: {
      200: {
        description: "Chunks after the position. In NDJSON each is a line, and the rest is in headers.",
        content: { [JSON_TYPE]: "HistoryPage", "application/x-ndjson": "Chunk" },
        headers: {
          "Sluice-Next-After": "NDJSON only: next_after.",
          "Sluice-Head": "NDJSON only: head.",
          "Sluice-Status": "NDJSON only: status.",
          "Sluice-Gaps": "NDJSON only: gaps, JSON.",
        },
      },
    },
    problems: [...reading, "CONNECTION"],
  },
  { ...CANCEL_OPERATION, problems: [...CANCEL_OPERATION.problems, "OVERLOADED"] },
  {
    method: "POST",
    path: "/connections/{connectionId}/streams/{streamId}",
    id: "follow",
    summary: "Add a stream to a connection that carries many",
    query: [...lastSequences, token, from, tail],
    headers: [lastSequence],
    answers: { 204: { description: "It is followed." } },
    problems: [
      ...following,
      "STREAM_DELETED",
      "ALREADY_FOLLOWED",
      "INVALID_RESUME_TOKEN",
      "CACHE_UNAVAILABLE",
    ],
  },
  {
    method: "DELETE",
    path: "/connections/{connectionId}/streams/{streamId}",
    id: "unfollow",
    summary: "Drop a stream from a connection that carries many",
    answers: { 204: { description: "It is followed no more." } },
    problems: following,
  },
];

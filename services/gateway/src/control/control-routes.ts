import {
  mergeConnectionPages,
  StreamError,
  type ChunkCache,
  type EdgePeers,
  type ListedStream,
  type OwnedPartition,
  type PartitionLeases,
  type PartitionLog,
  type ReaderPresence,
  type RejectedElement,
  type RejectedElements,
  type ServiceReport,
  type ServiceReports,
  type StreamInfo,
} from "@sluice/core";
import { connectionJson } from "@sluice/protocol";
import { Router, type RequestHandler } from "express";
import { z } from "zod";
import { pageSize, parseQuery } from "../http/request-query.ts";
import { decodeCursor, encodeCursor, listStreams } from "./stream-listing.ts";

export interface ControlOptions {
  cache: Pick<ChunkCache, "readRecentStreams" | "readInfo" | "readCheckpoint">;
  leases: Pick<PartitionLeases, "owners">;
  log: Pick<PartitionLog, "partitions" | "facts">;
  rejected: Pick<RejectedElements, "readNewest">;
  reports: Pick<ServiceReports, "gather">;
  peers: Pick<EdgePeers, "listConnections">;
  presence: Pick<ReaderPresence, "countReaders">;
}

// Who lives answers within milliseconds; who doesn't must not keep a page of the console waiting.
const GATHER_TIMEOUT_MS = 2_000;
// Counting readers always takes this long: how many pods will answer is not known.
const PRESENCE_TIMEOUT_MS = 300;
const MAX_CENSUS_STREAMS = 500;
const MAX_PAYLOAD_BYTES = 4_096;

/**
 * Routes for the console and whoever is on call: streams, services, connections, partitions, what was rejected. Read-only,
 * and for operators: whoever knows a stream's id may read it.
 */
export function controlRoutes(parts: ControlOptions): Router {
  const router = Router();
  router.get("/streams", getStreams(parts));
  router.get("/control/services", getServices(parts));
  router.get("/control/connections", getConnections(parts));
  router.get("/control/readers", getReaders(parts));
  router.get("/control/partitions", getPartitions(parts));
  router.get("/control/rejected", getRejected(parts));
  return router;
}

const streamsQuery = z.strictObject({
  status: z.enum(["open", "completed", "errored", "cancelled", "deleted", "ended"]).optional(),
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9_-]{0,128}$/, "is no beginning of a stream id")
    .default(""),
  limit: pageSize(200, 50),
  cursor: z
    .string()
    .transform((cursor, context): ListedStream => {
      const position = decodeCursor(cursor);
      if (position !== null) return position;
      context.addIssue("is not a next_cursor of this server");
      return z.NEVER;
    })
    .optional(),
});

function getStreams({ cache, log }: ControlOptions): RequestHandler {
  return async (request, response) => {
    const { status, prefix, limit, cursor } = parseQuery(streamsQuery, request);
    const query = { status: status ?? null, prefix, limit, after: cursor ?? null };
    const { streams, next } = await listStreams(cache, log.partitions, query);
    response.json({
      streams: streams.map((info) => streamJson(info)),
      next_cursor: next === null ? null : encodeCursor(next),
    });
  };
}

function streamJson(info: StreamInfo): object {
  return {
    stream_id: info.streamId,
    status: info.head.status,
    head_sequence: info.head.sequence,
    chunk_count: info.chunkCount,
    byte_count: info.byteCount,
    created_ms: info.createdMs,
    updated_ms: info.updatedMs,
    ended_ms: info.endedMs,
    cancel_requested_ms: info.cancelRequest?.requestedMs ?? null,
  };
}

function getServices({ reports }: ControlOptions): RequestHandler {
  return async (_request, response) => {
    const gathered = await reports.gather(GATHER_TIMEOUT_MS);
    const inOrder = gathered.toSorted(
      (a, b) => a.service.localeCompare(b.service, "en") || a.startedMs - b.startedMs,
    );
    response.json({ services: inOrder.map((report) => serviceJson(report)) });
  };
}

function serviceJson({ service, instance, startedMs, figures, partitions }: ServiceReport): object {
  return {
    service,
    instance,
    started_ms: startedMs,
    figures,
    partitions: partitions.map(({ partition }) => partition),
  };
}

const connectionsQuery = z.strictObject({ after: z.string().default(""), limit: pageSize(1_000, 100) });

function getConnections({ peers }: ControlOptions): RequestHandler {
  return async (request, response) => {
    const query = parseQuery(connectionsQuery, request);
    const pages = await peers.listConnections(query, GATHER_TIMEOUT_MS);
    const { connections, hasMore } = mergeConnectionPages(pages, query.limit);
    response.json({
      connections: connections.map((record) => connectionJson(record)),
      next_after: hasMore ? (connections.at(-1)?.connectionId ?? null) : null,
    });
  };
}

const readersQuery = z.strictObject({
  stream_id: z
    .union([z.string(), z.array(z.string())])
    .transform((ids) => [ids].flat())
    .refine((ids) => ids.length <= MAX_CENSUS_STREAMS, `at most ${MAX_CENSUS_STREAMS} at once`),
});

function getReaders({ presence }: ControlOptions): RequestHandler {
  return async (request, response) => {
    const { stream_id: streamIds } = parseQuery(readersQuery, request);
    const counts = await presence.countReaders(streamIds, PRESENCE_TIMEOUT_MS);
    response.json({ readers: Object.fromEntries(streamIds.map((id) => [id, counts.get(id) ?? 0])) });
  };
}

/** Each part is told although another can't be had: that is when somebody looks. */
function getPartitions({ cache, leases, log, reports }: ControlOptions): RequestHandler {
  return async (_request, response) => {
    const numbers = Array.from({ length: log.partitions }, (_, partition) => partition);
    const [owners, checkpoints, gathered, facts] = await Promise.all([
      leases.owners(),
      Promise.all(numbers.map((partition) => cache.readCheckpoint(partition))),
      orNull(reports.gather(GATHER_TIMEOUT_MS)),
      orNull(log.facts()),
    ]);
    const owned = ownedPartitions(gathered ?? []);
    response.json({
      partitions: numbers.map((partition) => {
        const owner = owners[partition] ?? null;
        const checkpoint = checkpoints[partition] ?? null;
        const { lagMs = null, lagMessages = null } = owned.get(`${owner} ${partition}`) ?? {};
        return {
          partition,
          owner,
          checkpoint: checkpoint && {
            broker_sequence: checkpoint.brokerSequence,
            timestamp_ms: checkpoint.timestampMs,
            log_created_ms: checkpoint.logCreatedMs,
          },
          lag_ms: lagMs,
          lag_messages: lagMessages,
        };
      }),
      log: facts && {
        first_sequence: facts.firstSequence,
        last_sequence: facts.lastSequence,
        created_ms: facts.createdMs,
        fullness: facts.fullness,
      },
    });
  };
}

/** Owned partitions by owner and number: a replica that has lost a lease may still report it. */
function ownedPartitions(reports: readonly ServiceReport[]): Map<string, OwnedPartition> {
  return new Map(
    reports.flatMap(({ instance, partitions }) =>
      partitions.map((owned) => [`${instance} ${owned.partition}`, owned] as const),
    ),
  );
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof StreamError) return null;
    throw error;
  }
}

const rejectedQuery = z.strictObject({
  before: z.coerce.number().int().positive().optional(),
  limit: pageSize(100, 20),
});

function getRejected({ rejected }: ControlOptions): RequestHandler {
  return async (request, response) => {
    const { before, limit } = parseQuery(rejectedQuery, request);
    const page = { before: before ?? null, limit, maxElementBytes: MAX_PAYLOAD_BYTES };
    const elements = await rejected.readNewest(page);
    const last = elements.length < limit ? undefined : elements.at(-1);
    response.json({ rejected: elements.map(rejectedJson), next_before: last?.position ?? null });
  };
}

function rejectedJson(rejected: RejectedElement): object {
  const { element, elementBytes } = rejected;
  const text = Buffer.from(element).toString();
  return {
    position: rejected.position,
    stream_id: rejected.streamId,
    reason: rejected.reason,
    broker_sequence: rejected.brokerSequence,
    element: rejected.index,
    stored_ms: rejected.rejectedMs,
    // What a cut in the middle of a character leaves.
    payload: element.byteLength < elementBytes ? text.replace(/\uFFFD$/, "") : text,
    payload_bytes: elementBytes,
  };
}

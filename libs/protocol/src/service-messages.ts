import { isStreamId } from "@sluice/core";
import { z } from "zod";

/** JSON that services exchange on core NATS. Read leniently: during a deploy two versions talk to each other. */

const sequence = z.int().nonnegative();
/** Refuses an id that is none as the message is read: it would end up in keys, subjects and JSON. */
const streamId = z.string().refine(isStreamId, "is no stream id");
const status = z.enum(["open", "completed", "errored", "cancelled", "deleted"]);

export const tailAnnouncementSchema = z.object({
  partition: sequence,
  term: z.string(),
  serial: sequence,
  checkpoint: sequence,
  streams: z.array(z.object({ streamId: z.string(), head: sequence, hasEnded: z.boolean() })),
});

export const partitionPressureSchema = z.object({
  partition: sequence,
  lagMs: z.number().nonnegative(),
  fullness: z.number().nonnegative(),
});

export const receiptSchema = z.object({ broker_sequence: sequence, first: sequence, count: sequence });

export const headRequestSchema = z.object({ streamId });

export const headAnswerSchema = z.object({ sequence, brokerSequence: sequence, status }).nullable();

export const rebuildRequestSchema = z.object({ streamId });

export const rebuildAnswerSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("restored"), firstAvailable: sequence, head: sequence, status }),
  z.object({ kind: z.literal("unknown") }),
  z.object({ kind: z.literal("failed"), message: z.string() }),
]);

const start = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("after"), sequence }),
  z.object({ kind: z.literal("tail"), count: sequence }),
]);

export const streamChangeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("add"), connectionId: z.string(), streamId, start }),
  z.object({ kind: z.literal("drop"), connectionId: z.string(), streamId }),
]);

export const streamChangeAnswerSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("done") }),
  z.object({ kind: z.literal("refused"), code: z.string(), message: z.string() }),
]);

export const connectionQuerySchema = z.object({ after: z.string(), limit: sequence });

export const connectionPageSchema = z.object({
  connections: z.array(
    z.object({
      connectionId: z.string(),
      streams: z.array(
        z.object({ streamId: z.string(), lastSequence: sequence.nullable(), phase: z.string() }),
      ),
      connectedMs: sequence,
      lastSeenMs: sequence,
      address: z.string(),
      userAgent: z.string(),
    }),
  ),
  hasMore: z.boolean(),
});

export const stopRequestSchema = z.object({ streamId });

export const stopAnswerSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("asked") }),
  z.object({ kind: z.literal("ended"), status }),
  z.object({ kind: z.literal("unknown") }),
  z.object({ kind: z.literal("failed"), message: z.string() }),
]);

export const cancelNoticeSchema = z.object({ reason: z.enum(["requested", "abandoned"]) });

/** Streams that one question about readers may name: bounds what a pod does, and answers, at once. */
export const MAX_CENSUS_STREAMS = 500;

export const readersQuerySchema = z.object({ streamIds: z.array(z.string()).max(MAX_CENSUS_STREAMS) });

/** Counts in the order of the question: an id may be `__proto__`, which is no key for an object. */
export const readersAnswerSchema = z.object({ counts: z.array(sequence) });

export const serviceReportSchema = z.object({
  service: z.enum(["ingest", "edge", "gateway", "worker"]),
  instance: z.string(),
  startedMs: sequence,
  figures: z.record(z.string(), z.number()),
  partitions: z.array(
    z.object({
      partition: sequence,
      lagMs: z.number().nonnegative().nullable(),
      lagMessages: sequence.nullable(),
    }),
  ),
});

export const promptSchema = z.object({ streamId, prompt: z.string() });

export const promptAnswerSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("accepted") }),
  z.object({ kind: z.literal("refused"), code: z.string(), message: z.string() }),
]);

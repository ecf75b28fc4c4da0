import { z } from "zod";

/** JSON that services exchange on core NATS. Read leniently: during a deploy two versions talk to each other. */

const sequence = z.int().nonnegative();
const status = z.enum(["open", "completed", "errored", "cancelled", "deleted"]);

export const tailAnnouncementSchema = z.object({
  partition: sequence,
  term: z.string(),
  serial: sequence,
  checkpoint: sequence,
  streams: z.array(z.object({ streamId: z.string(), head: sequence, hasEnded: z.boolean() })),
});

export const rebuildRequestSchema = z.object({ streamId: z.string() });

export const rebuildAnswerSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("restored"), firstAvailable: sequence, head: sequence, status }),
  z.object({ kind: z.literal("unknown") }),
  z.object({ kind: z.literal("failed"), message: z.string() }),
]);

export const promptSchema = z.object({ streamId: z.string(), prompt: z.string() });

export const promptAnswerSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("accepted") }),
  z.object({ kind: z.literal("refused"), code: z.string(), message: z.string() }),
]);

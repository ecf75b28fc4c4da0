import { StreamError } from "@sluice/core";
import type { StreamHandle, StreamManager } from "@sluice/producer";
import { HTTP_HEADERS, parseSequence } from "@sluice/protocol";
import type { Request } from "express";

/**
 * Terms on which a request writes. Shared unless it asks for more: several requests for one stream interleave, here or
 * at other gateways, and each keeps its order.
 */
export interface AppendTerms {
  /** True if it takes the stream over: an earlier exclusive writer is fenced by it, and it is fenced by any later writer. */
  isExclusive: boolean;
  /**
   * The number that its first chunk must take, and nobody may write in between; null: any. A sender that lost an answer
   * repeats its request, and learns from the refusal's `head_sequence` that the chunks are there.
   */
  sequence: number | null;
}

/** @throws StreamError INVALID_REQUEST with `field` */
export function readTerms(request: Request): AppendTerms {
  const mode = request.query["mode"] ?? "shared";
  if (mode !== "shared" && mode !== "exclusive") {
    throw new StreamError("INVALID_REQUEST", "mode must be shared or exclusive", {
      details: { field: "mode" },
    });
  }
  return { isExclusive: mode === "exclusive", sequence: readSequence(request) };
}

/** @throws StreamError INVALID_REQUEST with `field` */
export function readSequence(request: Request): number | null {
  const wanted = request.get(HTTP_HEADERS.sequence);
  if (wanted === undefined) return null;
  const sequence = parseSequence(wanted);
  if (sequence !== null && sequence > 0) return sequence;
  throw new StreamError(
    "INVALID_REQUEST",
    `${HTTP_HEADERS.sequence} must be the number of the first chunk, from 1`,
    { details: { field: HTTP_HEADERS.sequence } },
  );
}

/** @throws StreamError FENCED where the next number is another one, and what opening can fail with */
export async function openOn(
  terms: AppendTerms,
  manager: StreamManager,
  streamId: string,
): Promise<StreamHandle> {
  const { isExclusive, sequence } = terms;
  if (sequence !== null) return manager.openStreamAt(streamId, sequence, { takeOver: isExclusive });
  return manager.openStream(streamId, { mode: isExclusive ? "exclusive" : "shared" });
}

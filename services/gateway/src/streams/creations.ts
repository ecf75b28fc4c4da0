import { randomUUID } from "node:crypto";
import {
  assertStreamId,
  StreamError,
  type ChunkCache,
  type StreamErrorCode,
  type StreamLog,
} from "@sluice/core";
import type { StreamManager } from "@sluice/producer";
import type { creationSchema } from "@sluice/protocol";
import type { z } from "zod";
import type { CreationBudget } from "../budget/creation-budget.ts";
import type { KeyedRequest, RequestLedger } from "../idempotency/request-ledger.ts";
import { assertNotOutlived } from "./stream-ids.ts";

export interface CreationOptions {
  manager: StreamManager;
  /** Knows the ids of a request's streams, then what became of them. */
  ledger: RequestLedger<string[], CreationOutcome[]>;
  cache: Pick<ChunkCache, "readInfo">;
  log: Pick<StreamLog, "lastMessage">;
  budget: CreationBudget;
}

export type Creation = z.output<typeof creationSchema>;

/** Outcome of one creation. JSON: it is kept with the request's key. */
export interface CreationOutcome {
  streamId: string;
  refusal: { code: StreamErrorCode; message: string } | null;
}

/**
 * Creates streams, each for itself: what one is refused with is its outcome.
 * @throws StreamError STORAGE_FULL, QUOTA_EXCEEDED: none of them is created
 */
export async function createAll(
  parts: CreationOptions,
  creations: readonly Creation[],
  principal: string,
): Promise<CreationOutcome[]> {
  const costs = creations.map(({ options }) => options);
  await parts.budget.take(principal, costs);
  const outcomes = await Promise.all(
    creations.map((creation) => {
      const streamId = creation.stream_id ?? randomUUID();
      return outcomeOf(streamId, () => create(parts, streamId, creation));
    }),
  );
  await giveBackRefused(parts, principal, costs, outcomes);
  return outcomes;
}

/**
 * The same, once for all requests with this key. The ids are written down before, and the creating messages are named
 * after the request: a repeat finds in the log what has been created. The first request pays for it.
 */
export async function createAllOnce(
  parts: CreationOptions,
  creations: readonly Creation[],
  request: KeyedRequest,
): Promise<{ outcomes: CreationOutcome[]; isRepeat: boolean }> {
  const { ledger, budget } = parts;
  const { principal } = request;
  const costs = creations.map(({ options }) => options);
  for (;;) {
    const known = await ledger.read(request);
    if (known !== null && "answer" in known) return { outcomes: known.answer, isRepeat: true };
    const entry: CreationEntry = known ?? {
      plan: creations.map(({ stream_id }) => stream_id ?? randomUUID()),
    };
    if (known === null) {
      await budget.take(principal, costs);
      const isFirst = await ledger.write(request, null, entry).catch(async (error: unknown) => {
        await budget.giveBack(principal, costs);
        throw error;
      });
      if (!isFirst) {
        await budget.giveBack(principal, costs);
        continue;
      }
    }

    const outcomes = await Promise.all(
      creations.map((creation, index) => {
        const streamId = entry.plan[index] ?? "";
        return outcomeOf(streamId, () => create(parts, streamId, creation, `${request.name}.${index}`));
      }),
    );
    if (known === null) await giveBackRefused(parts, principal, costs, outcomes);
    if (outcomes.every(isFinal)) await ledger.close(request, entry, outcomes);
    return { outcomes, isRepeat: false };
  }
}

type CreationEntry = { plan: string[] };

/** Gives back the quota of refused creations. */
async function giveBackRefused(
  { budget }: CreationOptions,
  principal: string,
  costs: readonly Creation["options"][],
  outcomes: readonly CreationOutcome[],
): Promise<void> {
  const isRefused = (_cost: unknown, index: number): boolean => outcomes[index]?.refusal !== null;
  await budget.giveBack(principal, costs.filter(isRefused));
}

async function create(
  parts: CreationOptions,
  streamId: string,
  { stream_id: wanted, options }: Creation,
  name?: string,
): Promise<void> {
  if (wanted !== undefined) await assertNotOutlived(parts, assertStreamId(wanted));
  const { handle } = await parts.manager.createStream({
    streamId,
    // Its writers come and go: it has no producer that could be lost.
    mode: "shared",
    ...(options === undefined ? {} : { options }),
    ...(name === undefined ? {} : { name }),
  });
  await handle.close();
}

async function outcomeOf(streamId: string, creation: () => Promise<void>): Promise<CreationOutcome> {
  try {
    await creation();
    return { streamId, refusal: null };
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    return { streamId, refusal: { code: error.code, message: error.message } };
  }
}

function isFinal({ refusal }: CreationOutcome): boolean {
  return refusal === null || !new StreamError(refusal.code, refusal.message).retryable;
}

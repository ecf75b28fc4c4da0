import { StreamError } from "@sluice/core";
import type { SendReceipt, StreamHandle, StreamManager, StreamPlace } from "@sluice/producer";
import { AppendTally, type AppendCounts } from "./append-tally.ts";
import type { Entry, KeyedRequest, RequestLedger } from "../idempotency/request-ledger.ts";

/** Knows where a request's chunks are to stand, then what was answered. */
export type AppendLedger = RequestLedger<StreamPlace, AppendCounts>;

export interface OnceOptions {
  manager: StreamManager;
  ledger: AppendLedger;
  /** Longest time that it is tried while others write in between, ms. */
  timeoutMs: number;
}

export interface OnceAppend {
  streamId: string;
  request: KeyedRequest;
  /** The number that the first chunk must take; null: any. */
  sequence: number | null;
  /** Sends the chunks as one message: the same ones whenever the request comes. */
  send(handle: StreamHandle): Promise<SendReceipt[]>;
}

/**
 * Appends the chunks of a request once, however often it comes, to whatever gateways, also at the same time.
 *
 *     read the record ─── an answer ──────────────────────────▶ that
 *        ▲   │ nothing: write down the place where the chunks are to stand
 *        │   ▼
 *        │ append them at that place, by compare-and-set ─────▶ stored, now or before: write down the answer
 *        │   │
 *        └───┴─ something else stands there: write down another place
 *
 * The place is written before the append, and only a place where they can't stand any more is ever replaced. So
 * whoever comes later, after whatever death, looks in the one place where they may be. No lock: repeats help each other along.
 */
export async function appendOnce(parts: OnceOptions, append: OnceAppend): Promise<AppendAnswer> {
  const { ledger, manager } = parts;
  const { request, streamId } = append;
  const deadlineMs = performance.now() + parts.timeoutMs;
  while (performance.now() < deadlineMs) {
    const entry: AppendEntry | null = (await ledger.read(request)) ?? (await plan(parts, append));
    if (entry === null) continue;
    if ("answer" in entry) return { counts: entry.answer, isRepeat: true };
    try {
      await using handle = manager.openStreamAfter(streamId, entry.plan, request.name);
      const tally = new AppendTally();
      tally.add(await append.send(handle));
      await ledger.close(request, entry, tally.toJson());
      return { counts: tally.toJson(), isRepeat: false };
    } catch (error) {
      const isTaken = error instanceof StreamError && error.code === "FENCED";
      if (!isTaken || append.sequence !== null) throw error;
      await ledger.write(request, entry, { plan: await manager.placeFor(streamId, request.name) });
    }
  }
  throw new StreamError("OVERLOADED", "others kept writing to the stream: repeat the request");
}

export interface AppendAnswer {
  counts: AppendCounts;
  /** True if this is the answer of an earlier request. */
  isRepeat: boolean;
}

type AppendEntry = Entry<StreamPlace, AppendCounts>;

/** Null: a repeat was faster. */
async function plan(parts: OnceOptions, append: OnceAppend): Promise<AppendEntry | null> {
  const { streamId, request, sequence } = append;
  const place = await parts.manager.placeFor(streamId, request.name);
  if (sequence !== null && place.nextSequence !== sequence) {
    // Says why not.
    await (await parts.manager.openStreamAt(streamId, sequence)).close();
    return null;
  }
  const entry: AppendEntry = { plan: place };
  return (await parts.ledger.write(request, null, entry)) ? entry : null;
}

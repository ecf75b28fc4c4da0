import { StreamError } from "@sluice/core";
import type { KeyedRequest, RequestLedger } from "./request-ledger.ts";

/** Knows whether a request is being taken up, or the stream that it started. */
export type StartLedger = RequestLedger<"starting", string>;

// Longer than anything may take to start. A gateway that dies meanwhile leaves the key to a repeat after this.
const CLAIM_TTL_MS = 30_000;

/**
 * Starts something that no log tells of, once for all requests with this key: the first claims it, and what started is
 * remembered. One that fails to start is forgotten.
 * @param start gives the stream's id once it is certain that it was started
 * @throws StreamError OVERLOADED while the first is being taken up
 */
export async function startOnce(
  ledger: StartLedger,
  request: KeyedRequest | null,
  start: () => Promise<string>,
): Promise<{ streamId: string; isRepeat: boolean }> {
  if (request === null) return { streamId: await start(), isRepeat: false };
  const known = await ledger.read(request);
  if (known !== null && "answer" in known) return { streamId: known.answer, isRepeat: true };
  const claim = { plan: "starting" } as const;
  if (known !== null || !(await ledger.write(request, null, claim, CLAIM_TTL_MS))) {
    throw new StreamError("OVERLOADED", "the first request with this key is being taken up: try again");
  }
  try {
    const streamId = await start();
    await ledger.close(request, claim, streamId);
    return { streamId, isRepeat: false };
  } catch (error) {
    await ledger.forget(request, claim);
    throw error;
  }
}

import type { LogFacts } from "@sluice/core";

/**
 * Whether a stream's first retained message is its very first, where the message itself doesn't say.
 * It is while nothing can have aged out of the log yet. Later it is if the message is younger than the log's horizon
 * by more than the idle limit: an older one of the same stream would have been followed by silence long enough to
 * end the stream.
 */
export function isBeginning(
  timestampMs: number,
  facts: Pick<LogFacts, "createdMs" | "maxAgeMs">,
  idleLimitMs: number,
  nowMs: number,
): boolean {
  const horizonMs = nowMs - facts.maxAgeMs;
  return facts.createdMs > horizonMs || timestampMs - horizonMs > idleLimitMs;
}

import type { AppliedEntry, StoredMessage } from "@sluice/core";
import type { IngestMetrics } from "../metrics.ts";

/** Counts an applied batch: what was written, what was skipped, and what ended with it. */
export function countBatch(
  metrics: IngestMetrics,
  messages: readonly StoredMessage[],
  outcomes: readonly AppliedEntry[],
): void {
  let [chunks, bytes, duplicates] = [0, 0, 0];
  for (const [index, outcome] of outcomes.entries()) {
    chunks += outcome.count;
    if (outcome.isDuplicate) duplicates++;
    else bytes += messages[index]?.payload.byteLength ?? 0;
    if (outcome.count > 0 && outcome.status !== "open") metrics.ends.inc({ status: outcome.status });
  }
  metrics.chunks.inc(chunks);
  metrics.bytes.inc(bytes);
  metrics.duplicates.inc(duplicates);
  metrics.batchMessages.observe(messages.length);
  const oldest = messages[0];
  if (oldest !== undefined) metrics.lagSeconds.observe(Math.max(0, Date.now() - oldest.timestampMs) / 1000);
}

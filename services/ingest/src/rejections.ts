import { StreamError, type LogEntry, type PartitionLog, type StoredMessage } from "@sluice/core";
import { splitPayload } from "@sluice/protocol";
import type { Logger } from "@sluice/runtime";
import type { IngestMetrics } from "./metrics.ts";

/**
 * Puts what was refused where people can look at it. Best effort on purpose: the stream goes on under a placeholder
 * whether or not the refused element could be kept.
 */
export async function rejectElements(
  log: PartitionLog,
  messages: readonly StoredMessage[],
  entries: readonly LogEntry[],
  metrics: IngestMetrics,
  logger: Logger,
): Promise<void> {
  const kept: Promise<void>[] = [];
  for (const [position, entry] of entries.entries()) {
    const message = messages[position];
    for (const [index, element] of entry.elements.entries()) {
      if (element.kind !== "rejected" || message === undefined) continue;
      metrics.rejected.inc();
      const { streamId, brokerSequence } = entry;
      const { reason } = element;
      logger.warn({ streamId, brokerSequence, index, reason }, "chunk rejected");
      kept.push(
        log.reject({ streamId, brokerSequence, index, reason, element: elementBytes(message, index, entry) }),
      );
    }
  }
  for (const outcome of await Promise.allSettled(kept)) {
    if (outcome.status === "fulfilled") continue;
    if (!(outcome.reason instanceof StreamError)) throw outcome.reason;
    metrics.rejectedLost.inc();
    logger.error({ err: outcome.reason }, "rejected chunk could not be kept");
  }
}

/** The element alone where the payload can be taken apart and holds several, else the payload as it was published. */
function elementBytes(message: StoredMessage, index: number, entry: LogEntry): Uint8Array {
  if (entry.elements.length === 1) return message.payload;
  return Buffer.from(JSON.stringify(splitPayload(message.payload)[index]) ?? "null");
}

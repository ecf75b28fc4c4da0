import { StreamError, type LogEntry, type PartitionLog, type StoredMessage } from "@sluice/core";
import { splitPayload, withoutHeartbeats } from "@sluice/protocol";
import type { Logger } from "@sluice/runtime";
import type { IngestMetrics } from "../metrics.ts";
import type { DecodedMessage } from "./batches.ts";

type Rejection = Parameters<PartitionLog["reject"]>[0];

// One publish for each element of arrays that are all wrong would hold a partition up for minutes.
const MAX_KEPT_ALONE = 16;

/**
 * Puts what was refused where people can look at it. Best effort on purpose: the stream goes on under a placeholder
 * whether or not the refused element could be kept.
 */
export async function rejectElements(
  log: Pick<PartitionLog, "reject">,
  batch: readonly DecodedMessage[],
  metrics: IngestMetrics,
  logger: Logger,
): Promise<void> {
  const keep = async (rejection: Rejection): Promise<void> => {
    try {
      await log.reject(rejection);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      metrics.rejectedLost.inc();
      logger.error({ err: error }, "rejected chunk could not be kept");
    }
  };
  const keeping: Promise<void>[] = [];
  for (const { message, entry } of batch) {
    const refused = refusalsOf(entry);
    const [first] = refused;
    if (first === undefined) continue;
    metrics.rejected.inc(refused.length);
    const { streamId, brokerSequence } = entry;
    const { index, reason } = first;
    logger.warn({ streamId, brokerSequence, index, reason, count: refused.length }, "chunk rejected");
    if (refused.length > MAX_KEPT_ALONE) {
      const all = `${refused.length} elements were refused, the first: ${reason}`;
      keeping.push(keep({ streamId, brokerSequence, index, reason: all, element: message.payload }));
      continue;
    }
    const bytesOf = elementBytes(message, entry);
    for (const { index, reason } of refused) {
      keeping.push(keep({ streamId, brokerSequence, index, reason, element: bytesOf(index) }));
    }
  }
  await Promise.all(keeping);
}

/** Refused elements of an entry: those under a placeholder, and ends that an Error chunk replaces. */
function refusalsOf(entry: LogEntry): { index: number; reason: string }[] {
  return entry.elements.flatMap((element, index) => {
    const reason = element.kind === "rejected" ? element.reason : element.refusal;
    return reason === undefined ? [] : [{ index, reason }];
  });
}

/** The element alone where the payload can be taken apart and holds several, else the payload as it was published. */
function elementBytes(message: StoredMessage, entry: LogEntry): (index: number) => Uint8Array {
  if (entry.elements.length === 1) return () => message.payload;
  const values = withoutHeartbeats(splitPayload(message.payload));
  return (index) => {
    try {
      return Buffer.from(JSON.stringify(values[index]));
    } catch (error) {
      // JSON.parse takes any depth, JSON.stringify runs out of stack.
      if (error instanceof RangeError) return message.payload;
      throw error;
    }
  };
}

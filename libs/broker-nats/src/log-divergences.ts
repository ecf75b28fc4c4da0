import type { StreamConfig } from "@nats-io/jetstream";
import { addDivergence, type Divergence } from "@sluice/core";
import { CHUNKS_STREAM } from "@sluice/protocol";
import { setTimeout as delay } from "node:timers/promises";
import { askLog } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";

const DIVERGENCES_KEY = "sluice-divergences";

// A stream's metadata knows no compare-and-set. All owners notice a divergence within the same moment; after this
// whoever wrote last has written, and everybody goes by that.
const SETTLING_MS = 250;

/** The log's divergences as they stand in its metadata: `<after>@<lost until, ms>@<resumes at>`, joined by commas. */
export function divergencesOf(config: StreamConfig): Divergence[] {
  const text = config.metadata?.[DIVERGENCES_KEY] ?? "";
  if (text === "") return [];
  return text.split(",").map((item) => {
    const [after = 0, lostUntilMs = 0, resumesAt = 0] = item.split("@").map(Number);
    return { after, lostUntilMs, resumesAt };
  });
}

/** Meets the contract of `PartitionLog.recordDivergence`, but for two within a few ms of each other: the last one stands. */
export async function recordDivergence(
  link: NatsLink,
  after: number,
  lost: { brokerSequence: number; timestampMs: number },
  known: readonly Divergence[],
): Promise<void> {
  const { streams } = link.jetStreamManager;
  await askLog("record that it has diverged", async () => {
    const { config } = await streams.info(CHUNKS_STREAM);
    if (encode(divergencesOf(config)) !== encode(known)) return;
    const text = encode(addDivergence(known, after, lost));
    await streams.update(CHUNKS_STREAM, { metadata: { ...config.metadata, [DIVERGENCES_KEY]: text } });
  });
  await delay(SETTLING_MS);
}

function encode(divergences: readonly Divergence[]): string {
  return divergences.map((each) => `${each.after}@${each.lostUntilMs}@${each.resumesAt}`).join(",");
}

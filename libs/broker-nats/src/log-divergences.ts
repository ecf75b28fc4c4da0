import type { StreamConfig } from "@nats-io/jetstream";
import { addDivergence, eraOf, type Divergence } from "@sluice/core";
import { CHUNKS_STREAM } from "@sluice/protocol";
import { setTimeout as delay } from "node:timers/promises";
import { askLog } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";

const DIVERGENCES_KEY = "sluice-divergences";

// A stream's metadata knows no compare-and-set. All owners notice a divergence within the same moment; after this
// whoever wrote last has written, and everybody goes by that.
const SETTLING_MS = 250;

/** The log's divergences as they stand in its metadata: `<after>@<recorded ms>`, joined by commas. */
export function divergencesOf(config: StreamConfig): Divergence[] {
  const text = config.metadata?.[DIVERGENCES_KEY] ?? "";
  if (text === "") return [];
  return text.split(",").map((item) => {
    const [after, recordedMs] = item.split("@").map(Number);
    return { after: after ?? 0, recordedMs: recordedMs ?? 0 };
  });
}

/** Meets the contract of `PartitionLog.recordDivergence`, but for two within a few ms of each other: the last one stands. */
export async function recordDivergence(link: NatsLink, after: number, knownEra: number): Promise<void> {
  const { streams } = link.jetStreamManager;
  await askLog("record that it has diverged", async () => {
    const { config } = await streams.info(CHUNKS_STREAM);
    const known = divergencesOf(config);
    if (eraOf(known) !== knownEra) return;
    const text = addDivergence(known, after, Date.now())
      .map((each) => `${each.after}@${each.recordedMs}`)
      .join(",");
    await streams.update(CHUNKS_STREAM, { metadata: { ...config.metadata, [DIVERGENCES_KEY]: text } });
  });
  await delay(SETTLING_MS);
}

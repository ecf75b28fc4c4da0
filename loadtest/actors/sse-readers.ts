import { serve } from "../src/actor.ts";
import { Latencies, type LatencyCounts } from "../src/latencies.ts";
import { RawSse } from "../src/raw-sse.ts";

export interface ReadersReport {
  events: number;
  /** Time from the publisher's stamp in a chunk to the arrival of its bytes, of every chunk. */
  latencies: LatencyCounts;
  /** Sequences that didn't follow the one before, and connections that ended: there must be none. */
  faults: number;
  /** Latency of the slowest reader. */
  lowestSequence: number;
}

export interface SseReaders {
  /** Opens one connection for each stream id, and resolves when all have got their headers. */
  open(options: { edgeUrl: string; streamIds: readonly string[] }): Promise<void>;
  /** Takes what has come since it was last asked. */
  take(options: null): ReadersReport;
}

const CONNECTS_AT_ONCE = 50;

const readers: RawSse[] = [];
let latencies = new Latencies();
let events = 0;
let ends = 0;

function onEvent(latencyMs: number): void {
  events += 1;
  if (!Number.isNaN(latencyMs)) latencies.add(latencyMs);
}

function onEnd(): void {
  ends += 1;
}

async function open(edgeUrl: string, streamIds: readonly string[]): Promise<void> {
  for (let from = 0; from < streamIds.length; from += CONNECTS_AT_ONCE) {
    const some = streamIds
      .slice(from, from + CONNECTS_AT_ONCE)
      .map((streamId) => new RawSse({ edgeUrl, streamId, query: "wait=30" }, onEvent, onEnd));
    readers.push(...some);
    await Promise.all(some.map((reader) => reader.opened()));
  }
}

function take(): ReadersReport {
  const report = {
    events,
    latencies: latencies.counts,
    faults: readers.reduce((sum, reader) => sum + reader.faults, ends),
    lowestSequence: readers.reduce((lowest, { lastSequence }) => Math.min(lowest, lastSequence), Infinity),
  };
  latencies = new Latencies();
  events = 0;
  return report;
}

serve({ open: (options) => open(options.edgeUrl, options.streamIds), take } satisfies SseReaders);

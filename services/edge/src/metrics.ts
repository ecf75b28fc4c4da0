import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Phase } from "@sluice/core";
import { socketGauge, type SocketState } from "@sluice/runtime";

/** Counts that only a scrape needs, read at the scrape. */
export interface EdgeCounts {
  connections(): number;
  /** Sockets of each server that listens for readers. */
  sockets(): readonly Record<SocketState, number>[];
  streams(): number;
  /** Listeners by phase; `waiting`: long polls. */
  subscribers(): Readonly<Record<Phase | "waiting", number>>;
  reads(): { inFlight: number; inFlightBytes: number; waiting: number };
}

/** Registers metrics without labels by stream or client: the number of series must not grow with the traffic. */
export interface EdgeMetrics {
  chunksSent: Counter;
  bytesSent: Counter;
  /** Chunks sent per write: how much the write tick gathers. */
  writes: Counter;
  /** SSE responses begun. With `reconnections` it gives the share of readers that came back. */
  opened: Counter;
  /** Connections ended because they were old, so that load evens out over the pods. */
  aged: Counter;
  historyPages: Counter;
  /** Holes in the live feed that were filled from the cache. */
  repairs: Counter;
  rebuildRequests: Counter<"outcome">;
  gaps: Counter<"reason">;
  lagging: Counter;
  stalled: Counter;
  backpressureEvents: Counter;
  /** Requests that came with a position. */
  reconnections: Counter;
  refusals: Counter<"code">;
  /** Page reads that nobody waited for any more when their turn came. */
  readsDropped: Counter;
  /** Wishes for a page that was waited for already. */
  readsShared: Counter;
  readsFailed: Counter;
  cacheHits: Counter;
  cacheMisses: Counter;
  /** Heads that were found ahead of a reader who should have had them live. */
  lostTails: Counter;
  headChecks: Counter;
  shed: Counter;
  replaySeconds: Histogram;
  replayChunks: Histogram;
  replayBytes: Histogram;
  liveLagSeconds: Histogram;
}

const name = (suffix: string): string => `sluice_edge_${suffix}`;

/** Registers the gauges of what is open, once there is something that can be counted. */
export function registerEdgeGauges(registry: Registry, counts: EdgeCounts): void {
  const registers = [registry];
  const gauge = (suffix: string, help: string, count: () => number): void => {
    void new Gauge({
      name: name(suffix),
      help,
      registers,
      collect() {
        this.set(count());
      },
    });
  };
  socketGauge(registry, name("open_sockets"), () => counts.sockets());
  gauge("connections", "Open SSE responses", () => counts.connections());
  gauge("streams", "Streams followed", () => counts.streams());
  gauge("reads_in_flight", "Page reads that the cache has not answered", () => counts.reads().inFlight);
  gauge(
    "read_bytes_in_flight",
    "Bytes of the read budget that those take",
    () => counts.reads().inFlightBytes,
  );
  gauge("reads_waiting", "Page reads that wait for their turn", () => counts.reads().waiting);
  void new Gauge({
    name: name("subscribers"),
    help: "Readers by phase",
    labelNames: ["phase"],
    registers,
    collect() {
      for (const [phase, count] of Object.entries(counts.subscribers())) this.set({ phase }, count);
    },
  });
}

export function createEdgeMetrics(registry: Registry): EdgeMetrics {
  const registers = [registry];
  const counter = (suffix: string, help: string): Counter =>
    new Counter({ name: name(suffix), help, registers });
  const labelled = <L extends string>(suffix: string, label: L, help: string): Counter<L> =>
    new Counter({ name: name(suffix), help, labelNames: [label], registers });
  const share = (suffix: string, help: string, part: Counter, whole: Counter): void => {
    void new Gauge({
      name: name(suffix),
      help,
      registers,
      async collect() {
        const total = await countOf(whole);
        this.set(total === 0 ? 0 : (await countOf(part)) / total);
      },
    });
  };
  const metrics: EdgeMetrics = {
    chunksSent: counter("chunks_sent_total", "Chunks handed to sockets"),
    bytesSent: counter("sent_bytes_total", "Bytes of frames handed to sockets"),
    writes: counter("writes_total", "Writes to sockets; chunks sent by writes is what a write gathers"),
    opened: counter("opened_total", "SSE responses begun"),
    aged: counter("aged_total", "Connections ended because they were old"),
    historyPages: counter("history_pages_total", "Pages of history answered as JSON or NDJSON"),
    repairs: counter("repairs_total", "Holes in the live feed filled from the cache"),
    rebuildRequests: labelled(
      "rebuild_requests_total",
      "outcome",
      "Requests to bring a stream back from the log",
    ),
    gaps: labelled("gaps_total", "reason", "Missing ranges that readers were told of"),
    lagging: counter("lagging_total", "Times a reader was too slow for the live feed"),
    stalled: counter("stalled_total", "Readers disconnected because they took nothing"),
    backpressureEvents: counter("backpressure_events_total", "Times a reader's buffer passed the threshold"),
    reconnections: counter("reconnections_total", "Connections that came with a position"),
    refusals: labelled("refusals_total", "code", "Requests refused"),
    readsDropped: counter("reads_dropped_total", "Page reads that nobody waited for when their turn came"),
    readsShared: counter("reads_shared_total", "Page reads that joined an equal one"),
    readsFailed: counter("reads_failed_total", "Page reads that the cache did not answer"),
    cacheHits: counter("cache_hits_total", "Page reads that found what was asked for"),
    cacheMisses: counter("cache_misses_total", "Page reads that found a hole or nothing"),
    lostTails: counter("lost_tails_total", "Heads found ahead of a reader without a live message"),
    headChecks: counter("head_checks_total", "Heads looked at because a live message may have been lost"),
    shed: counter("shed_total", "Readers disconnected for want of memory"),
    replaySeconds: new Histogram({
      name: name("replay_seconds"),
      help: "From the request to the first time at the head",
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    replayChunks: new Histogram({
      name: name("replay_chunks"),
      help: "Chunks replayed until the first time at the head",
      buckets: [0, 1, 10, 100, 1_000, 10_000, 100_000],
      registers,
    }),
    replayBytes: new Histogram({
      name: name("replay_bytes"),
      help: "Bytes of frames replayed until the first time at the head",
      buckets: [0, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000],
      registers,
    }),
    liveLagSeconds: new Histogram({
      name: name("live_lag_seconds"),
      help: "From a chunk's timestamp to its hand-over to subscribers, sampled",
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
  };
  const { chunksSent, bytesSent, cacheHits, cacheMisses, opened, reconnections } = metrics;
  share("chunk_bytes_average", "Bytes sent by chunks sent", bytesSent, chunksSent);
  share(
    "reconnection_ratio",
    "Share of the responses begun whose reader had been here before",
    reconnections,
    opened,
  );
  void new Gauge({
    name: name("cache_hit_ratio"),
    help: "Share of the page reads that found what was asked for",
    registers,
    async collect() {
      const hits = await countOf(cacheHits);
      const reads = hits + (await countOf(cacheMisses));
      this.set(reads === 0 ? 0 : hits / reads);
    },
  });
  return metrics;
}

async function countOf(counter: Counter): Promise<number> {
  return (await counter.get()).values[0]?.value ?? 0;
}

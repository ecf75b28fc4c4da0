import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Phase } from "@sluice/core";

/** What only a scrape needs to know, asked for at the scrape. */
export interface EdgeCensus {
  connections(): number;
  streams(): number;
  subscribers(): Readonly<Record<Phase, number>>;
}

/** Without labels by stream or client: the number of series must not grow with the traffic. */
export interface EdgeMetrics {
  chunksSent: Counter;
  bytesSent: Counter;
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
  cacheHits: Counter;
  cacheMisses: Counter;
  /** Heads that were found ahead of a reader who should have had them live. */
  lostTails: Counter;
  headChecks: Counter;
  shed: Counter;
  replaySeconds: Histogram;
  liveLagSeconds: Histogram;
}

const name = (suffix: string): string => `sluice_edge_${suffix}`;

export function createEdgeMetrics(registry: Registry, census: EdgeCensus): EdgeMetrics {
  const registers = [registry];
  const counter = (suffix: string, help: string): Counter =>
    new Counter({ name: name(suffix), help, registers });
  const labelled = <L extends string>(suffix: string, label: L, help: string): Counter<L> =>
    new Counter({ name: name(suffix), help, labelNames: [label], registers });
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
  gauge("connections", "Open SSE responses", () => census.connections());
  gauge("streams", "Streams followed", () => census.streams());
  void new Gauge({
    name: name("subscribers"),
    help: "Readers by phase",
    labelNames: ["phase"],
    registers,
    collect() {
      for (const [phase, count] of Object.entries(census.subscribers())) this.set({ phase }, count);
    },
  });
  return {
    chunksSent: counter("chunks_sent_total", "Chunks handed to sockets"),
    bytesSent: counter("sent_bytes_total", "Bytes of frames handed to sockets"),
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
    liveLagSeconds: new Histogram({
      name: name("live_lag_seconds"),
      help: "From a chunk's timestamp to its hand-over to subscribers, sampled",
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
  };
}

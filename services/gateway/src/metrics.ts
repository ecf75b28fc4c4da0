import { StreamError } from "@sluice/core";
import { socketGauge, type SocketState } from "@sluice/runtime";
import { Counter, Gauge, type Registry } from "prom-client";

export interface GatewayMetrics {
  chunksAccepted: Counter;
  streamsCreated: Counter;
  refusals: Counter<"code">;
  /** Parts of proxied answers that could not be read. */
  unknownParts: Counter;
}

/** Registers metrics without labels by stream or client: the number of series must not grow with the traffic. */
export function createGatewayMetrics(
  registry: Registry,
  open: {
    uploads: () => number;
    proxiedAnswers: () => number;
    bodyBytes: () => number;
    sockets: () => readonly Record<SocketState, number>[];
  },
): GatewayMetrics {
  const registers = [registry];
  socketGauge(registry, "sluice_gateway_open_sockets", open.sockets);
  const uploads: Gauge = new Gauge({
    name: "sluice_gateway_open_uploads",
    help: "Appends in progress",
    registers,
    collect: () => uploads.set(open.uploads()),
  });
  const proxied: Gauge = new Gauge({
    name: "sluice_gateway_open_proxied_answers",
    help: "Answers of model servers on their way",
    registers,
    collect: () => proxied.set(open.proxiedAnswers()),
  });
  const bodyBytes: Gauge = new Gauge({
    name: "sluice_gateway_body_bytes",
    help: "Bytes of requests' bodies that are held in memory",
    registers,
    collect: () => bodyBytes.set(open.bodyBytes()),
  });
  return {
    chunksAccepted: new Counter({
      name: "sluice_gateway_chunks_accepted_total",
      help: "Chunks that were acknowledged to callers",
      registers,
    }),
    streamsCreated: new Counter({
      name: "sluice_gateway_streams_created_total",
      help: "Streams created",
      registers,
    }),
    unknownParts: new Counter({
      name: "sluice_gateway_unknown_parts_total",
      help: "Parts of model servers' answers that could not be read and were sent on as unknown_part",
      registers,
    }),
    refusals: new Counter({
      name: "sluice_gateway_refusals_total",
      help: "Requests answered with a problem, by code",
      labelNames: ["code"],
      registers,
    }),
  };
}

export function countRefusal(metrics: GatewayMetrics, error: unknown): void {
  metrics.refusals.inc({ code: error instanceof StreamError ? error.code : "OTHER" });
}

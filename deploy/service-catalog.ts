import { createEdgeMetrics, EDGE_FIGURES, edgeConfigSchema, registerEdgeGauges } from "@sluice/edge";
import { createGatewayMetrics, GATEWAY_FIGURES, gatewayConfigSchema } from "@sluice/gateway";
import { createIngestMetrics, INGEST_FIGURES, ingestConfigSchema } from "@sluice/ingest";
import { createRegistry, type FigureSources } from "@sluice/runtime";
import { WORKER_FIGURES, WorkerMetrics, workerConfigSchema } from "@sluice/worker";
import type { Registry } from "prom-client";
import type { z } from "zod";

/** Settings and figures of a service: deployment files are held against this. */
export interface CatalogEntry {
  readonly schema: z.ZodObject;
  readonly registry: Registry;
  /** Figures that it reports to the control plane. */
  readonly figures: FigureSources;
}

export const SERVICE_CATALOG: ReadonlyMap<string, CatalogEntry> = new Map<string, CatalogEntry>([
  ["ingest", entry(ingestConfigSchema, "ingest", INGEST_FIGURES, createIngestMetrics)],
  [
    "edge",
    entry(edgeConfigSchema, "edge", EDGE_FIGURES, (registry) => {
      createEdgeMetrics(registry);
      registerEdgeGauges(registry, {
        connections: () => 0,
        streams: () => 0,
        subscribers: () => ({ replay: 0, live: 0, lagging: 0, ended: 0, waiting: 0 }),
        reads: () => ({ inFlight: 0, inFlightBytes: 0, waiting: 0 }),
        sockets: () => [],
      });
    }),
  ],
  [
    "gateway",
    entry(gatewayConfigSchema, "gateway", GATEWAY_FIGURES, (registry) =>
      createGatewayMetrics(registry, {
        uploads: () => 0,
        proxiedAnswers: () => 0,
        bodyBytes: () => 0,
        sockets: () => [],
      }),
    ),
  ],
  ["worker", entry(workerConfigSchema, "worker", WORKER_FIGURES, (registry) => new WorkerMetrics(registry))],
]);

function entry(
  schema: z.ZodObject,
  name: string,
  figures: FigureSources,
  register: (registry: Registry) => unknown,
): CatalogEntry {
  const registry = createRegistry(name);
  register(registry);
  return { schema, registry, figures };
}

/** A service's settings with the values that it takes when none is given, as an environment variable spells them. */
export function defaultsOf({ schema }: CatalogEntry): Map<string, string> {
  return new Map(
    Object.entries(schema.shape).map(([name, field]) => [name, spell((field as z.ZodType).parse(undefined))]),
  );
}

function spell(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

import { createEdgeMetrics, edgeConfigSchema } from "@sluice/edge";
import { createGatewayMetrics, gatewayConfigSchema } from "@sluice/gateway";
import { createIngestMetrics, ingestConfigSchema } from "@sluice/ingest";
import { createRegistry } from "@sluice/runtime";
import { WorkerMetrics, workerConfigSchema } from "@sluice/worker";
import type { Registry } from "prom-client";
import type { z } from "zod";

/** What a service can be told and what it tells: deployment files are held against this. */
export interface CatalogEntry {
  readonly schema: z.ZodObject;
  readonly registry: Registry;
}

export const SERVICE_CATALOG: ReadonlyMap<string, CatalogEntry> = new Map<string, CatalogEntry>([
  ["ingest", entry(ingestConfigSchema, "ingest", createIngestMetrics)],
  [
    "edge",
    entry(edgeConfigSchema, "edge", (registry) =>
      createEdgeMetrics(registry, {
        connections: () => 0,
        streams: () => 0,
        subscribers: () => ({ replay: 0, live: 0, lagging: 0, ended: 0, waiting: 0 }),
      }),
    ),
  ],
  ["gateway", entry(gatewayConfigSchema, "gateway", (registry) => createGatewayMetrics(registry, () => 0))],
  ["worker", entry(workerConfigSchema, "worker", (registry) => new WorkerMetrics(registry))],
]);

function entry(schema: z.ZodObject, name: string, register: (registry: Registry) => unknown): CatalogEntry {
  const registry = createRegistry(name);
  register(registry);
  return { schema, registry };
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

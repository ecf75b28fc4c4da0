import { collectDefaultMetrics, Registry } from "prom-client";

/** A registry of its own for a service (never prom-client's global one: two services share a process when embedded). */
export function createRegistry(service: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry, prefix: "sluice_process_" });
  return registry;
}

import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { SocketState } from "./open-sockets.ts";

/** A registry of its own for a service (never prom-client's global one: two services share a process when embedded). */
export function createRegistry(service: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry, prefix: "sluice_process_" });
  return registry;
}

/** A gauge of the open sockets of some servers, by what they are at. */
export function socketGauge(
  registry: Registry,
  name: string,
  countSockets: () => readonly Readonly<Record<SocketState, number>>[],
): void {
  const gauge: Gauge<"state"> = new Gauge({
    name,
    help: "Open sockets by state: idle, active, streaming, closing",
    labelNames: ["state"],
    registers: [registry],
    collect: () => {
      gauge.reset();
      for (const counts of countSockets())
        for (const [state, count] of Object.entries(counts)) gauge.inc({ state }, count);
    },
  });
}

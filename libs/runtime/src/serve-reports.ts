import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { OwnedPartition, ServiceReport, ServiceReports, Subscription } from "@sluice/core";
import type { Registry } from "prom-client";
import { ServiceFigures, type FigureSources } from "./service-figures.ts";

// Names stand in leases and in tables of the console.
const MAX_HOST_CHARACTERS = 40;

/** A name for this process that people recognise (in Kubernetes it begins with the pod's) and no other process has. */
export function createInstanceName(): string {
  return `${hostname().slice(0, MAX_HOST_CHARACTERS)}.${randomBytes(6).toString("base64url")}`;
}

/** Answers the control plane for this process, until it is closed. */
export function serveReports(
  reports: Pick<ServiceReports, "serve">,
  self: {
    service: ServiceReport["service"];
    instance: string;
    registry: Registry;
    figures: FigureSources;
    partitions?: () => readonly OwnedPartition[];
  },
): Subscription {
  const { service, instance, registry } = self;
  const figures = new ServiceFigures(registry, self.figures);
  const startedMs = Date.now();
  const serving = reports.serve(async () => ({
    service,
    instance,
    startedMs,
    figures: await figures.read(),
    partitions: self.partitions?.() ?? [],
  }));
  return {
    close: () => {
      serving.close();
      figures.close();
    },
  };
}

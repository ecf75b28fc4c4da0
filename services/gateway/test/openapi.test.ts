import {
  MemoryChunkCache,
  MemoryEdgePeers,
  MemoryPartitionLeases,
  MemoryPartitionLog,
  MemoryReaderPresence,
  MemoryRejectedElements,
  MemoryServiceReports,
} from "@sluice/memory";
import { memoryGatewayPorts } from "@sluice/testing";
import { expect, test } from "vitest";
import { controlRoutes } from "../src/control/control-routes.ts";
import { Bench } from "./gateway-bench.ts";

/** For people: pages that the gateway serves, or says that it hasn't. */
const PAGES = ["/chat", "/console", "/web-config.json"];

test.each([
  ["without", false],
  ["with", true],
])(
  "a gateway %s routes for operators describes every route that is mounted, and no other",
  async (_what, hasControl) => {
    const ports = memoryGatewayPorts();
    const log = new MemoryPartitionLog(ports.memory);
    const cache = new MemoryChunkCache({ partitions: log.partitions });
    const control = controlRoutes({
      cache,
      leases: new MemoryPartitionLeases({ partitions: log.partitions, cache }),
      log,
      rejected: new MemoryRejectedElements(log),
      reports: new MemoryServiceReports(),
      peers: new MemoryEdgePeers(),
      presence: new MemoryReaderPresence(),
    });
    await using bench = await new Bench({ ...ports, ...(hasControl ? { control } : {}) }).listen();
    const { body } = await bench.call("GET", "/openapi.json");
    const described = Object.entries(body["paths"] as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const mounted = bench.gateway.routes
      .filter(({ path }) => !PAGES.includes(path))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
    expect(described.toSorted()).toEqual(mounted.toSorted());
    const index = await bench.call("GET", "/");
    expect(Object.keys(index.body["routes"] as object).toSorted()).toEqual(mounted.toSorted());
  },
);

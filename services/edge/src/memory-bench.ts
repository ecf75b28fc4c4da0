import { MemoryChunkCache, MemoryEdgePeers, MemoryLiveBus, MemoryLiveFeed } from "@sluice/testing";
import type { EdgeSettings } from "./settings.ts";
import { startBench, type Bench } from "./test-bench.ts";

export type MemoryBench = Bench<MemoryChunkCache, MemoryLiveFeed>;

/** What several edges of one system share. */
export interface MemoryWorld {
  cache: MemoryChunkCache;
  bus: MemoryLiveBus;
  peers: MemoryEdgePeers;
}

export function memoryWorld(): MemoryWorld {
  return {
    cache: new MemoryChunkCache({ partitions: 4 }),
    bus: new MemoryLiveBus(),
    peers: new MemoryEdgePeers(),
  };
}

/** For tests: an edge on the ports in memory; ingest's part is played by hand. */
export function startMemoryBench(
  settings: Partial<EdgeSettings> = {},
  shared?: MemoryWorld,
): Promise<MemoryBench> {
  const { cache, bus, peers } = shared ?? memoryWorld();
  const ports = {
    cache,
    edgeFeed: new MemoryLiveFeed(bus),
    ingestFeed: new MemoryLiveFeed(bus),
    peers,
    partitions: 4,
    // Of a shared bus it can't be told whose they are.
    countSubscriptions: () => (shared === undefined ? bus.openSubscriptions : 0),
  };
  return startBench(ports, settings);
}

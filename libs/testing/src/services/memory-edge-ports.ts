import {
  MemoryCancelFeed,
  MemoryChunkCache,
  MemoryEdgePeers,
  MemoryLiveBus,
  MemoryLiveFeed,
  MemoryReaderPresence,
} from "@sluice/memory";

/** World that several edges of one system share. */
export interface MemoryWorld {
  readonly cache: MemoryChunkCache;
  readonly bus: MemoryLiveBus;
  readonly peers: MemoryEdgePeers;
  readonly cancelFeed: MemoryCancelFeed;
  readonly readerPresence: MemoryReaderPresence;
}

export interface MemoryEdgePorts extends MemoryWorld {
  readonly edgeFeed: MemoryLiveFeed;
  readonly ingestFeed: MemoryLiveFeed;
  readonly partitions: number;
  /** Subscriptions that haven't been closed; 0 where others share the bus, since it can't be told whose they are. */
  readonly countSubscriptions: () => number;
}

const PARTITIONS = 4;

export function memoryWorld(): MemoryWorld {
  const cache = new MemoryChunkCache({ partitions: PARTITIONS });
  return {
    cache,
    bus: new MemoryLiveBus(),
    peers: new MemoryEdgePeers(),
    cancelFeed: new MemoryCancelFeed(),
    readerPresence: new MemoryReaderPresence(),
  };
}

/** All that an edge and what feeds it need, in memory; of a world of their own, or one with several edges. */
export function memoryEdgePorts(shared?: MemoryWorld): MemoryEdgePorts {
  const world = shared ?? memoryWorld();
  return {
    ...world,
    edgeFeed: new MemoryLiveFeed(world.bus),
    ingestFeed: new MemoryLiveFeed(world.bus),
    partitions: PARTITIONS,
    countSubscriptions: () => (shared === undefined ? world.bus.openSubscriptions : 0),
  };
}

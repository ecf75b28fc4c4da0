import {
  awaitLog,
  connectNats,
  ensureLog,
  NatsCancelFeed,
  NatsEdgePeers,
  NatsLiveFeed,
  NatsReaderPresence,
} from "@sluice/broker-nats";
import { createRedis, RedisChunkCache } from "@sluice/cache-redis";
import type { EdgeSettings } from "../src/config.ts";
import { startBench, type Bench } from "./edge-bench.ts";

export type RealBench = Bench<RedisChunkCache, NatsLiveFeed>;

/**
 * Edge on real servers for tests, each side with a connection of its own; ingest's part is played by hand.
 * @param probedRedisUrl where the edge looks whether Redis answers new connections; default: nowhere
 */
export async function openRealBench(
  servers: { natsUrl: string; redisUrl: string },
  settings: Partial<EdgeSettings> = {},
  probedRedisUrl?: string,
): Promise<{ bench: RealBench } & AsyncDisposable> {
  const opened = new AsyncDisposableStack();
  const [ingestLink, edgeLink] = await Promise.all(
    ["ingest", "edge"].map(async (name) => {
      const link = await connectNats({ servers: servers.natsUrl, name });
      opened.defer(() => link.close());
      return link;
    }),
  );
  if (ingestLink === undefined || edgeLink === undefined) throw new Error("two connections were asked for");
  await ensureLog(ingestLink, {
    replicas: 1,
    maxAgeMs: 3_600_000,
    maxBytes: 100 * 1024 * 1024,
    minRetentionMs: 0,
    maxChunkBytes: 512 * 1024,
  });
  const { partitions } = await awaitLog(edgeLink, 5_000);
  const client = createRedis(servers.redisUrl);
  opened.defer(() => client.close());
  const ports = {
    cache: new RedisChunkCache(client, { partitions }),
    edgeFeed: new NatsLiveFeed(edgeLink),
    peers: new NatsEdgePeers(edgeLink),
    cancelFeed: new NatsCancelFeed(edgeLink),
    readerPresence: new NatsReaderPresence(edgeLink),
    ingestFeed: new NatsLiveFeed(ingestLink),
    partitions,
    countSubscriptions: () => 0,
    ...(probedRedisUrl === undefined ? {} : { probeCache: () => ping(probedRedisUrl) }),
  };
  const bench = opened.use(await startBench(ports, settings));
  return { bench, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

async function ping(redisUrl: string): Promise<void> {
  const redis = createRedis(redisUrl);
  try {
    await redis.ping();
  } finally {
    await redis.close();
  }
}

import {
  awaitLog,
  connectNats,
  NatsCancelFeed,
  NatsEdgePeers,
  NatsLiveFeed,
  NatsReaderPresence,
  NatsServiceReports,
} from "@sluice/broker-nats";
import { createRedis, RedisChunkCache } from "@sluice/cache-redis";
import { startService } from "@sluice/runtime";
import { edgeConfigSchema } from "./config.ts";
import { createEdge } from "./edge.ts";
import { EDGE_FIGURES } from "./figures.ts";

// Services start in any order, and ingest is the one that creates the log.
const LOG_WAIT_MS = 60_000;
const SERVER_GRACE_MS = 500;
// Above the time after which the client gives a silent connection up. Who waits for a read is told sooner, see READ_TIMEOUT_MS.
const READS_SETTLE_MS = 5_000;
const PING_TIMEOUT_MS = 1_500;

/** Whether Redis answers what readers ask, to one who has just come. */
async function readOverNewConnection(redisUrl: string, partitions: number): Promise<void> {
  const redis = createRedis(redisUrl, { connectionName: "sluice-edge-probe" });
  try {
    await new RedisChunkCache(redis, { partitions }).readPage("read-watch", 0, { maxChunks: 0, maxBytes: 1 });
  } finally {
    await redis.close();
  }
}

await startService(
  {
    name: "edge",
    schema: edgeConfigSchema,
    figures: EDGE_FIGURES,
    connectNats,
    // What a read takes of the budget is free again when it is answered or its connection is given up, not before.
    createRedis: (url, options) => createRedis(url, { ...options, commandTimeoutMs: READS_SETTLE_MS }),
  },
  async ({ settings, link, redis, logger, registry, lifecycle }) => {
    const { partitions } = await awaitLog(link, LOG_WAIT_MS);
    const edge = createEdge({
      cache: new RedisChunkCache(redis, { partitions }),
      liveFeed: new NatsLiveFeed(link, {
        onMalformed: (subject) => logger.warn({ subject }, "dropped a message that can't be read"),
      }),
      peers: new NatsEdgePeers(link),
      cancelFeed: new NatsCancelFeed(link),
      readerPresence: new NatsReaderPresence(link),
      partitions,
      settings,
      logger,
      registry,
      probeCache: () => readOverNewConnection(settings.redisUrl, partitions),
    });
    lifecycle.add("edge", () => edge.close());
    const server = await edge.listen({ host: settings.host, port: settings.port, reusePort: true });
    lifecycle.add("server", () => server.close(SERVER_GRACE_MS));
    // Closed first: while it drains, everything else still works.
    const drainMs = settings.drainNoticeMs + settings.drainTimeoutMs;
    lifecycle.add("connections", () => edge.drain(), drainMs + SERVER_GRACE_MS);
    return {
      reports: new NatsServiceReports(link),
      instance: edge.podId,
      adminRoutes: edge.adminRoutes,
      liveness: () => edge.fatalProblem(),
      readiness: {
        edge: () => edge.problem(),
        redis: () =>
          redis.ping(PING_TIMEOUT_MS).then(
            () => null,
            () => "does not answer",
          ),
      },
      about: { port: server.port, partitions },
    };
  },
);

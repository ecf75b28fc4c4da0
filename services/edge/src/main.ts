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

await startService(
  { name: "edge", schema: edgeConfigSchema, figures: EDGE_FIGURES, connectNats, createRedis },
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
      readiness: {
        edge: () => edge.problem(),
        redis: () =>
          redis.ping().then(
            () => null,
            () => "does not answer",
          ),
      },
      about: { port: server.port, partitions },
    };
  },
);

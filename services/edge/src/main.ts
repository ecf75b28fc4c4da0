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
import {
  createLogger,
  createRegistry,
  Lifecycle,
  loadConfig,
  runMain,
  serveReports,
  startAdminServer,
  type RenamedSetting,
  warnRenamed,
} from "@sluice/runtime";
import { edgeConfigSchema } from "./config.ts";
import { createEdge } from "./edge.ts";
import { EDGE_FIGURES } from "./figures.ts";

// Services start in any order, and ingest is the one that makes the log.
const LOG_WAIT_MS = 60_000;
const SERVER_GRACE_MS = 500;

await runMain(async () => {
  const renamed: RenamedSetting[] = [];
  const settings = loadConfig(edgeConfigSchema, process.env, (setting) => renamed.push(setting));
  const logger = createLogger("edge", settings.logLevel);
  warnRenamed(logger, renamed);
  const lifecycle = new Lifecycle(logger);
  lifecycle.handleSignals();

  const link = await connectNats({ servers: settings.natsUrl, name: "sluice-edge" });
  lifecycle.add("nats", () => link.close());
  const { partitions } = await awaitLog(link, LOG_WAIT_MS);
  const redis = createRedis(settings.redisUrl, {
    connectionName: "sluice-edge",
    onError: (error) => logger.warn({ err: error }, "redis connection failed"),
  });
  lifecycle.add("redis", () => redis.close());
  const liveFeed = new NatsLiveFeed(link, {
    onMalformed: (subject) => logger.warn({ subject }, "dropped a message that can't be read"),
  });

  const registry = createRegistry("edge");
  const cache = new RedisChunkCache(redis, { partitions });
  const edge = createEdge({
    cache,
    liveFeed,
    peers: new NatsEdgePeers(link),
    cancelFeed: new NatsCancelFeed(link),
    readerPresence: new NatsReaderPresence(link),
    partitions,
    settings,
    logger,
    registry,
  });
  lifecycle.add("edge", () => edge.close());
  const reporting = serveReports(new NatsServiceReports(link), {
    service: "edge",
    instance: edge.podId,
    registry,
    figures: EDGE_FIGURES,
  });
  lifecycle.add("reports", () => reporting.close());
  const admin = await startAdminServer({
    host: settings.adminHost,
    port: settings.adminPort,
    registry,
    routes: edge.adminRoutes,
    readiness: {
      edge: () => edge.problem(),
      redis: () =>
        redis.ping().then(
          () => null,
          () => "does not answer",
        ),
    },
  });
  lifecycle.add("admin", () => admin.close(SERVER_GRACE_MS));
  const server = await edge.listen({ host: settings.host, port: settings.port, reusePort: true });
  lifecycle.add("server", () => server.close(SERVER_GRACE_MS));
  // Closed first: while it drains, everything else still works.
  const drainMs = settings.drainNoticeMs + settings.drainTimeoutMs;
  lifecycle.add("connections", () => edge.drain(), drainMs + SERVER_GRACE_MS);
  logger.info({ port: server.port, adminPort: admin.port, partitions }, "edge listens");
});

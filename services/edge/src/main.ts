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
    // What a read takes of the budget is free again when it is answered or its connection is given up, not before.
    commandTimeoutMs: READS_SETTLE_MS,
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
    probeCache: () => readOverNewConnection(settings.redisUrl, partitions),
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
    liveness: () => edge.fatalProblem(),
    readiness: {
      edge: () => edge.problem(),
      redis: () =>
        redis.ping(PING_TIMEOUT_MS).then(
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

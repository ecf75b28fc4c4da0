import {
  awaitLog,
  connectNats,
  NatsCancelFeed,
  NatsEdgePeers,
  NatsLiveFeed,
  NatsPartitionLog,
  NatsPromptQueue,
  NatsReaderPresence,
  NatsRejectedElements,
  NatsServiceReports,
  NatsStreamLog,
} from "@sluice/broker-nats";
import { createRedis, RedisChunkCache, RedisPartitionLeases, RedisRequestRecords } from "@sluice/cache-redis";
import {
  createInstanceName,
  createLogger,
  createRegistry,
  Lifecycle,
  loadConfig,
  problemHandler,
  runMain,
  serveReports,
  startAdminServer,
} from "@sluice/runtime";
import { Router } from "express";
import { gatewayConfigSchema, modelServerOf, settingsOf } from "./config.ts";
import { controlRoutes } from "./control/control-routes.ts";
import { GATEWAY_FIGURES } from "./figures.ts";
import { createGateway } from "./gateway.ts";

const LOG_WAIT_MS = 30_000;

await runMain(async () => {
  const config = loadConfig(gatewayConfigSchema, process.env);
  const logger = createLogger("gateway", config.LOG_LEVEL);
  const registry = createRegistry("gateway");
  const lifecycle = new Lifecycle(logger);
  lifecycle.handleSignals();

  const link = await connectNats({ servers: config.NATS_URL, name: "sluice-gateway" });
  lifecycle.add("nats", () => link.close());
  const identity = await awaitLog(link, LOG_WAIT_MS);
  const redis = createRedis(config.REDIS_URL, {
    connectionName: "sluice-gateway",
    onError: (error) => logger.warn({ err: error }, "redis connection"),
  });
  lifecycle.add("redis", () => redis.close());

  const { partitions } = identity;
  const cache = new RedisChunkCache(redis, { partitions });
  const reports = new NatsServiceReports(link);
  const control = controlRoutes({
    cache,
    leases: new RedisPartitionLeases(redis, { partitions }),
    log: new NatsPartitionLog(link, identity),
    rejected: new NatsRejectedElements(link),
    reports,
    peers: new NatsEdgePeers(link),
    presence: new NatsReaderPresence(link),
  });
  const gateway = createGateway({
    log: new NatsStreamLog(link, identity),
    cache,
    liveFeed: new NatsLiveFeed(link),
    cancelFeed: new NatsCancelFeed(link),
    records: new RedisRequestRecords(redis),
    promptQueue: new NatsPromptQueue(link),
    settings: settingsOf(config),
    logger,
    registry,
    modelServer: modelServerOf(config),
    edgeUrl: config.EDGE_URL,
    webRoot: config.WEB_ROOT,
    launcherUrl: config.LAUNCHER_URL,
    ...(config.CONTROL_ENABLED ? { control } : {}),
  });
  const reporting = serveReports(reports, {
    service: "gateway",
    instance: createInstanceName(),
    registry,
    figures: GATEWAY_FIGURES,
  });
  lifecycle.add("reports", () => reporting.close());
  let isClosing = false;
  const http = await gateway.listen({ host: config.HOST, port: config.PORT });
  lifecycle.add("http", () => http.close(config.DRAIN_TIMEOUT_MS), config.DRAIN_TIMEOUT_MS + 1_000);
  lifecycle.add("gateway", () => gateway.close(), config.DRAIN_TIMEOUT_MS + 5_000);

  const admin = await startAdminServer({
    host: config.ADMIN_HOST,
    port: config.ADMIN_PORT,
    registry,
    routes: Router().use(control, problemHandler(logger)),
    readiness: {
      nats: () => (link.isConnected ? null : "not connected"),
      draining: () => (isClosing ? "shutting down" : null),
    },
  });
  lifecycle.add("admin", () => admin.close(1_000));
  lifecycle.add("readiness", () => void (isClosing = true));
  logger.info({ port: http.port, adminPort: admin.port }, "gateway runs");
});
